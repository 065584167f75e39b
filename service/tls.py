"""HTTPS by uvicorn: a certificate and its key, tried before anything is served."""

import ssl
from pathlib import Path
from typing import TypedDict

from service.settings import Settings, SettingsError


class Files(TypedDict, total=False):
    """What uvicorn is given."""

    ssl_certfile: Path
    ssl_keyfile: Path


def files(settings: Settings) -> Files:
    """The files of these settings as uvicorn's own; none without DIGITVOTE_TLS_CERT.

    Raises:
        SettingsError: if a file cannot be read, or they are not a PEM certificate and its key.
    """
    if settings.tls_cert is None:
        return {}
    found = Files(ssl_certfile=settings.tls_cert)
    if settings.tls_key is not None:
        found["ssl_keyfile"] = settings.tls_key
    for variable, path in (("DIGITVOTE_TLS_CERT", settings.tls_cert), ("DIGITVOTE_TLS_KEY", settings.tls_key)):
        try:
            if path is not None:
                path.open("rb").close()
        except OSError as error:
            raise SettingsError(f"{variable}={str(path)!r}: {error.strerror}. It names a PEM file.") from error
    try:
        # A password is never asked for: whoever could type it is not there when the service is restarted.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key, lambda: "")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None)  # of most there is none but a line of OpenSSL's own source
        raise SettingsError(
            f"DIGITVOTE_TLS_CERT={str(settings.tls_cert)!r}: it and its key cannot be used"
            f"{f' ({reason})' if reason else ''}. Take a PEM certificate, with those between it and the root below it, "
            "and its key without a password, behind it or in the file of DIGITVOTE_TLS_KEY."
        ) from error
    return found
