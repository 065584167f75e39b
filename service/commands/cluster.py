"""`python -m service cluster`: the service over several machines, by Ray Serve."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:  # the extra `ray`: whoever serves in one process needs none of it
    from service.cluster.report import Report
    from service.cluster.scale import Scale

cli = typer.Typer(help="Serve over several machines, by Ray Serve.", rich_markup_mode=None, no_args_is_help=True)

Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="A cluster's head; auto: this machine's, if it has one.",
        envvar="RAY_ADDRESS",
        show_default=False,
    ),
]


@cli.command()
def up(
    address: Address = None,
    ingress: Annotated[str, typer.Option(metavar="MIN:MAX", help="Replicas of the routes.")] = "1:4",
    decode: Annotated[str, typer.Option(metavar="MIN:MAX", help="Replicas that read large pictures.")] = "1:4",
    vote: Annotated[str, typer.Option(metavar="MIN:MAX", help="Replicas of the models.")] = "1:4",
    cpus: Annotated[float, typer.Option(help="CPUs of a replica of the models.")] = 1,
    gpus: Annotated[float, typer.Option(help="GPUs of a replica of the models, as 1 or 0.25.")] = 0,
    wait: Annotated[int, typer.Option(min=1, metavar="SECONDS", help="How long it may take to be ready.")] = 180,
) -> None:
    """Deploy by the DIGITVOTE_ settings and wait until it is ready.

    Without an address a cluster of this machine alone is started, which serves until SIGTERM, SIGINT or `cluster down`.
    """
    _need_ray()
    from ray import serve

    from service.cluster import deployed
    from service.cluster.application import NAME, build, http_options
    from service.server import listen
    from service.settings import SettingsError, read_settings

    scale = _scale(ingress=ingress, decode=decode, vote=vote, cpus=cpus, gpus=gpus)
    try:
        settings = read_settings()
        options, application = http_options(settings), build(scale)
        if address is None:
            listen(settings.host, settings.port).close()  # Ray's proxies would share it with those of another cluster
    except SettingsError as error:
        _refuse(str(error))
    with _told():
        deployed.join(address or "local")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # in place of Ray's: either ends it in good order
    new = False
    try:
        with _told():
            deployed.start(options)
            new = deployed.overview() is None
            serve.run_many([serve.RunTarget(application, name=NAME)], wait_for_applications_running=False)
            deployed.await_ready(wait)
            _welcome(deployed)
            if address is None:
                deployed.await_end()
    except KeyboardInterrupt:
        if address is None:  # the cluster is ours, and ends with this process
            typer.echo("shutting down")
            with _told():
                deployed.down()
        elif new:
            typer.echo("taking digitvote away again")
            with _told():
                serve.delete(NAME)
        else:
            typer.echo("no longer waiting; digitvote was there before, and Ray goes on changing it")


@cli.command()
def status(address: Address = None) -> None:
    """Print the deployments, their replicas and the versions that these serve; the status is 1 unless all is well."""
    deployed = _joined(address)
    with _told():
        _tell_status(deployed)


def _tell_status(deployed: ModuleType) -> None:
    found = deployed.overview()
    if found is None:
        _refuse("digitvote is not deployed on this cluster: python -m service cluster up --address HOST:PORT", 1)
    typer.echo(f"digitvote  {found.status.value}  {deployed.url()}")
    _tell(found.message, "  ")
    for name, each in found.deployments.items():
        replicas = ", ".join(f"{count} {state.lower()}" for state, count in each.replica_states.items() if count)
        typer.echo(f"  {name:8} {each.status.value:10} {replicas or 'no replica'}")
        _tell(each.message, "    ")
    for report in deployed.reports():
        typer.echo(f"  {report.replica}  {report.state}  {_versions(report)}")
        _tell(report.reason or "", "    ")
    if found.status.value != "RUNNING":
        raise typer.Exit(1)


@cli.command()
def down(address: Address = None) -> None:
    """Take the application away, and Ray Serve with it where nothing else is deployed."""
    deployed = _joined(address)
    from ray import serve

    from service.cluster.application import NAME

    with _told():
        if deployed.overview() is None:
            _refuse("digitvote is not deployed on this cluster.", 1)
        if deployed.others():
            serve.delete(NAME)
        else:
            deployed.down()
    typer.echo("digitvote is down")


def _need_ray() -> None:
    try:
        import ray.serve  # noqa: F401
    except ModuleNotFoundError as error:
        _refuse(
            f"A cluster needs {error.name}, which is not installed; "
            "pip install 'digitvote[ray]' (in a checkout: pip install -e '.[ray]')"
        )


def _joined(address: str | None) -> ModuleType:
    """What is deployed on a cluster, once connected to it."""
    _need_ray()
    from service.cluster import deployed

    with _told():
        deployed.join(address or "auto")
    return deployed


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a cluster is a message, and status 2."""
    from service.cluster import deployed

    try:
        yield
    except deployed.ClusterError as error:
        _refuse(str(error))
    except deployed.FAILURES as error:
        _refuse(f"Ray failed: {type(error).__name__}: {(str(error).strip().splitlines() or [''])[-1]}")


def _welcome(deployed: ModuleType) -> None:
    typer.echo(f"\ndigitvote is ready at {deployed.url()}")
    for report in deployed.reports()[:1]:
        typer.echo(f"  votes  {_versions(report)}")
    typer.echo(f"  try    curl -F file=@docs/examples/seven.png {deployed.url()}/predict")
    token = "RAY_AUTH_MODE=token " if deployed.token() else ""
    typer.echo(f"  see    {token}python -m service cluster status --address {deployed.address()}\n")


def _scale(**options: str | float) -> "Scale":
    from pydantic import ValidationError

    from service.cluster.scale import Scale

    try:
        return Scale.model_validate(options)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise typer.BadParameter(
            wrong["msg"].removeprefix("Value error, "), param_hint=f"--{wrong['loc'][0]}"
        ) from error


def _versions(report: "Report") -> str:
    """Which version of each model votes in a replica, and of the gate."""
    models = [place.voter.model for place in report.places.values()]
    return ", ".join(f"{model.name} {model.version or f'none ({model.reason})'}" for model in models)


def _tell(message: str, indent: str) -> None:
    for line in message.splitlines():
        typer.echo(indent + line)


def _refuse(message: str, status: int = 2) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)
