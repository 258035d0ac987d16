"""What is wrong here, and how to mend it. Works while parts are down."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from console.doctor import (
    clock,
    database,
    disk,
    drift,
    engine,
    fence,
    permissions,
    port,
    processes,
    versions,
)
from console.doctor.finding import as_json, as_lines
from console.doctor.running import Check, examine

# Seconds for all together.
LIMIT = 20.0
CHECKS: dict[str, Check] = {
    "permissions": permissions.check,
    "disk": disk.check,
    "database": database.check,
    "engine": engine.check,
    "port": port.check,
    "processes": processes.check,
    "clock": clock.check,
    "versions": versions.check,
    "isolation": fence.check,
    "drift": drift.check,
}


class Command(BaseCommand):
    help = (
        "Check everything Alight stands on; exit code 1 when something needs mending."
    )
    # They would ask what may be away.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        found = examine(CHECKS, LIMIT)
        told = as_json(found)
        text = json.dumps(told, indent=2) if options["json"] else None
        self.stdout.write(text or "\n".join(as_lines(found)))
        if not told["ok"]:
            sys.exit(1)
