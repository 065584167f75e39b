// ReDoc over the OpenAPI document, in the page's own colours: those of light or dark as the page opens.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const [card, text, quiet, ink, wash, line, track, bad, badWash] = ["card", "text", "quiet", "ink", "wash", "line", "track", "bad", "bad-wash"].map(colour);

Redoc.init(
  "openapi.json",
  {
    disableSearch: true,
    theme: {
      colors: {
        primary: { main: ink },
        text: { primary: text, secondary: quiet },
        border: { dark: line, light: line },
        gray: { 50: card, 100: track },
        error: { main: bad },
        responses: { success: { color: ink, backgroundColor: wash, tabTextColor: "#8fb4ff" }, error: { color: bad, backgroundColor: badWash, tabTextColor: "#ffa79e" } },
      },
      schema: { nestedBackground: track, linesColor: line, typeNameColor: quiet, typeTitleColor: quiet, labelsTextSize: "0.85em" },
      typography: { fontFamily: "inherit", headings: { fontFamily: "inherit" }, code: { color: text, backgroundColor: track }, links: { color: ink } },
      sidebar: { backgroundColor: card, textColor: text, activeTextColor: ink },
      rightPanel: { backgroundColor: "#1c1e25" },
    },
  },
  document.getElementById("api"),
);
