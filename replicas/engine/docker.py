"""The Docker engine of one machine, through its SDK: short acts only.

Everything made here carries the installation's label, and nothing without it is ever
touched. Each call has a time limit, so no thread waits for ever on a stuck engine.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from docker import APIClient
from docker.errors import APIError

from replicas.engine import (
    config,
    errors,
    finding_gpus,
    helpers,
    left_behind,
    names,
    procnet,
    running,
    translate,
)
from replicas.engine.base import (
    EngineError,
    EngineRefused,
    FoundGpu,
    ImageInfo,
    NodeInfo,
    Observed,
    VolumeInUse,
    Wanted,
)
from replicas.engine.spoken import spoken

log = logging.getLogger(__name__)

# Seconds. A start that mounts or prepares a GPU can take a while; a look is quick, and
# whoever looks at everything must not wait for one container that the engine holds.
PATIENCE, GLANCE = 60, 10
_MOMENT = 3
_HELPER = 20
_SOCKETS = "cat /proc/net/tcp /proc/net/tcp6"
_ROUTES = Path("/proc/net/route")
_PROC = Path("/proc")


class DockerEngine:
    """See `replicas.engine.base.Engine`. Safe to share between threads."""

    def __init__(self, host: str = "", installation: str = "") -> None:
        self.host = host or settings.ALIGHT_DOCKER_HOST
        self.installation = installation or settings.ALIGHT_INSTALLATION
        self._lock = threading.Lock()
        # Apart from the other: nobody else waits while the engine makes a network.
        self._joining = threading.Lock()
        self._finding = threading.Lock()
        self._api: APIClient | None = None
        self._looks: APIClient | None = None
        self._node: NodeInfo | None = None

    # --- Looking -------------------------------------------------------------
    def node(self) -> NodeInfo:
        with spoken():
            self._node = translate.node_info(self._looker().info())
        return self._node

    def observe(self, labels: dict[str, str]) -> list[Observed]:
        wanted = [f"{key}={value}" for key, value in labels.items()]
        with spoken():
            found = self._looker().containers(all=True, filters={"label": wanted})
        return [
            seen
            for item in found
            if names.ROLE not in (item.get("Labels") or {})
            and (seen := self._inspect(item["Id"]))
        ]

    def image(self, reference: str) -> ImageInfo | None:
        with spoken():
            try:
                found = self._looker().inspect_image(reference)  # type: ignore[no-untyped-call]
            except APIError as error:
                if error.status_code == 404:
                    return None
                raise
        return translate.image_info(found)

    def tail(self, container_id: str, lines: int) -> list[str]:
        with suppress(errors.Gone), spoken():
            output = self._looker().logs(container_id, tail=lines)
            text = output.decode("utf-8", "replace").removesuffix("\n")
            return [line.rstrip("\r") for line in text.split("\n")] if text else []
        return []

    def listening_ports(
        self, container_id: str, *, loopback: bool = False
    ) -> list[int]:
        with suppress(errors.Gone), spoken():
            text = self._sockets(container_id)
            return procnet.listening(text, loopback=loopback)
        return []

    def gpus(self) -> list[FoundGpu] | None:
        with spoken():
            info = self._client().info()
        try:
            return self._find_gpus(str(info.get("Architecture", "")))
        except errors.NoGpuDriver as error:
            if "nvidia" not in (info.get("Runtimes") or {}):
                return []
            # Somebody set it up; that it does not work is no proof that GPUs are gone.
            log.warning("GPUs cannot be told: %s", error)
        except EngineError as error:
            log.warning("GPUs cannot be told: %s", error)
        return None

    def _find_gpus(self, machine: str) -> list[FoundGpu]:
        with self._finding, spoken():
            client = self._hurried(finding_gpus.PATIENCE)
            try:
                running.forget_left(client, self.installation, helpers.GPUS)
                return finding_gpus.find(client, self.installation, machine)
            finally:
                client.close()

    # --- Acting --------------------------------------------------------------
    def create(self, wanted: Wanted) -> Observed:
        network = self._ensure_network()
        body = config.container_config(wanted, network=network, cores=self._cores())
        with spoken(wanted.image):
            try:
                make = self._client().create_container_from_config
                made = make(body, wanted.name)  # type: ignore[no-untyped-call]
            except APIError as error:
                if error.status_code != 409:
                    raise
                return self._already(wanted)
        return self._must_inspect(made["Id"])

    def start(self, container_id: str) -> Observed:
        with spoken():
            self._client().start(container_id)
        return self._must_inspect(container_id)

    def terminate(self, container_id: str) -> None:
        with suppress(errors.Gone), spoken():
            attrs = self._client().inspect_container(container_id)
            signal = (attrs.get("Config") or {}).get("StopSignal") or "SIGTERM"
            try:
                self._client().kill(container_id, signal)
            except APIError as error:
                # It ended between the two calls.
                if error.status_code != 409:
                    raise

    def stop(self, container_id: str, *, grace: int) -> None:
        with suppress(errors.Gone), spoken():
            self._client().stop(container_id, timeout=grace)

    def remove(self, container_id: str) -> None:
        with suppress(errors.Gone), spoken():
            seen = self._client().inspect_container(container_id)
            if left_behind.is_suspected(seen):
                left_behind.end(self._help, self.installation, seen["Id"])
            self._client().remove_container(container_id, v=True, force=True)

    def remove_volume(self, name: str) -> None:
        with suppress(errors.NoVolume), spoken():
            found = self._client().inspect_volume(name)
            owner = (found.get("Labels") or {}).get(names.INSTALLATION)
            if owner != self.installation:
                raise errors.volume_of_others(name)
            try:
                self._remove_volume(name)
            except VolumeInUse:
                self._forget_readers(name)
                self._remove_volume(name)

    def _remove_volume(self, name: str) -> None:
        with spoken():
            self._client().remove_volume(name)

    def _forget_readers(self, volume: str) -> None:
        """Remove helpers whose reader was killed. Raises VolumeInUse when one reads.

        The engine answers nothing about a container while somebody reads from it.
        """
        marks = helpers.labels(self.installation, helpers.ARCHIVE)
        wanted = [f"{key}={value}" for key, value in marks.items()]
        filters = {"volume": [volume], "label": wanted}
        client = self._hurried(_MOMENT)
        try:
            for held in client.containers(all=True, filters=filters):
                client.remove_container(held["Id"], force=True)
        except requests.exceptions.Timeout as error:
            raise errors.volume_in_use(volume) from error
        finally:
            client.close()

    def in_network(self, script: str) -> str:
        body = helpers.in_network(self.installation, script)
        code, text = self._help(helpers.NETWORK, body)
        if code:
            last = text.strip().splitlines()[-1:] or [f"exit code {code}"]
            raise EngineRefused(f"The helper in the machine’s network said: {last[0]}")
        return text

    # --- How -----------------------------------------------------------------
    def _help(self, role: str, body: dict[str, Any]) -> tuple[int, str]:
        """Run a helper on the machine to its end; its exit code and all it wrote."""
        with spoken():
            client = self._hurried(_HELPER)
        mine = (self.installation, role)
        try:
            running.forget_left(client, *mine, seconds=2 * _HELPER)
            return running.to_end(
                client, body, name=helpers.name(*mine), seconds=_HELPER
            )
        finally:
            client.close()

    def _client(self) -> APIClient:
        version = self._looker().api_version
        with self._lock:
            if self._api is None:
                self._api = APIClient(
                    base_url=self.host,
                    version=version,
                    timeout=PATIENCE,
                    max_pool_size=32,
                )
            return self._api

    def _looker(self) -> APIClient:
        """For calls that change nothing."""
        # Made on first use: the engine may be away when the process starts.
        with self._lock:
            if self._looks is None:
                self._looks = APIClient(
                    base_url=self.host,
                    version="auto",
                    timeout=GLANCE,
                    max_pool_size=32,
                )
            return self._looks

    def _hurried(self, seconds: int) -> APIClient:
        """A client that gives up sooner, to be closed."""
        version = self._looker().api_version
        return APIClient(base_url=self.host, version=version, timeout=seconds)

    def _cores(self) -> int:
        return (self._node or self.node()).cores

    def _name(self) -> str:
        return (self._node or self.node()).name

    def _inspect(self, container_id: str) -> Observed | None:
        node = self._name()
        with suppress(errors.Gone), spoken():
            attrs = self._looker().inspect_container(container_id)
            # On its way out, by somebody's "docker rm -f": as good as gone.
            if attrs["State"]["Status"] != "removing":
                return translate.observed(attrs, node=node)
        return None

    def _must_inspect(self, container_id: str) -> Observed:
        seen = self._inspect(container_id)
        if seen is None:
            raise errors.translate(404, "No such container")
        return seen

    def _already(self, wanted: Wanted) -> Observed:
        seen = self._must_inspect(wanted.name)
        if not wanted.labels.items() <= seen.labels.items():
            raise EngineRefused(
                f"A container named {wanted.name} is there already and belongs to "
                "someone else. Rename or remove it."
            )
        return seen

    def _ensure_network(self) -> str:
        """The name of our network, made when missing. The lock keeps it to one."""
        name = names.network_name(self.installation)
        client = self._client_spoken()
        with self._joining, spoken():
            if self._has_network(client, name):
                return name
            taken = _subnets(client)
            while True:
                subnet = config.free_subnet(taken)
                try:
                    self._make_network(client, subnet)
                except APIError as error:
                    if self._has_network(client, name):
                        return name
                    if "overlap" not in str(error.explanation).lower():
                        raise
                    taken.append(subnet)
                else:
                    return name

    def _client_spoken(self) -> APIClient:
        with spoken():
            return self._client()

    def _has_network(self, client: APIClient, name: str) -> bool:
        # The filter finds parts of names, too.
        return any(net["Name"] == name for net in client.networks(names=[name]))

    def _make_network(self, client: APIClient, subnet: str) -> None:
        body = config.network_config(self.installation, subnet)
        client.create_network(
            body["Name"],
            driver=body["Driver"],
            options=body["Options"],
            ipam=body["IPAM"],
            check_duplicate=body["CheckDuplicate"],
            labels=body["Labels"],
        )

    def _sockets(self, container_id: str) -> str:
        client = self._looker()
        attrs = client.inspect_container(container_id)
        if not attrs["State"]["Running"]:
            return ""
        seen = _read_sockets(int(attrs["State"]["Pid"]), attrs["Id"])
        if seen is not None:
            return seen
        # An image without `cat` answers nothing, and nobody learns more.
        made = client.exec_create(attrs["Id"], _SOCKETS, stderr=False)
        output: bytes = client.exec_start(made["Id"])
        return output.decode("utf-8", "replace")


def _read_sockets(pid: int, container_id: str) -> str | None:
    """The sockets of a process of this machine; None when it is not visible here.

    The cgroup proves that `pid` means the same process here as it does to the engine.
    """
    home = _PROC / str(pid)
    try:
        if container_id not in (home / "cgroup").read_text():
            return None
        both = [(home / "net" / name) for name in ("tcp", "tcp6")]
        return "\n".join(path.read_text() for path in both if path.exists())
    except OSError:
        return None


def _subnets(client: APIClient) -> list[str]:
    """Every subnet that is in use, by the engine's networks or the host's routes."""
    taken = [
        str(part["Subnet"])
        for network in client.networks()
        for part in (network.get("IPAM") or {}).get("Config") or ()
        if part.get("Subnet")
    ]
    if _ROUTES.exists():
        taken += config.routed_subnets(_ROUTES.read_text())
    return taken
