"""Every process of the console is there and at work."""

from launcher import processes, services
from tests.chaos.checks import Check


class Running(Check):
    name = "all processes run"

    def __init__(self, config):
        self._config = config
        self._services = services.all_services(config)

    def settled(self, world):
        return [
            f"{service.title} does not {what}"
            for service in self._services
            if (what := self._lacks(service))
        ]

    def _lacks(self, service):
        if processes.running(self._config.pids, service.name) is None:
            return "run"
        return "answer" if service.ready and not service.ready() else ""
