"""`worker`: the process that sends. It imports nothing of the API."""

from invite_service.cli.collecting import collect_seldom
from invite_service.cli.returning import return_memory
from invite_service.cli.running import explained
from invite_service.config import load_settings
from invite_service.worker import main as worker_main


def worker() -> None:
    """Send what is due until SIGTERM or SIGINT; any number of workers may run."""
    return_memory()
    with explained():
        settings = load_settings()
        collect_seldom()
        worker_main.run(settings)
