"""The engine's words and what people read instead."""

import pytest

from replicas.engine import base, errors

HUB = 'Get "https://registry-1.docker.io/v2/": '
RUNC = "OCI runtime create failed: container_linux.go:380: starting container process "

CASES = [
    (404, "No such container: 4f2a", "", errors.Gone),
    (409, "removal of container 4f2a is already in progress", "", errors.Gone),
    (409, "can not get logs from container which is dead or marked for removal", "",
     errors.Gone),
    (500, "task 4f2a: already exists", "", errors.LeftBehind),
    (500, "id already in use", "", errors.LeftBehind),
    (500, "failed to create task for container: container with id exists: 4f2a", "",
     errors.LeftBehind),
    (409, 'Conflict. The container name "/app" is already in use by container 4f2a', "",
     base.EngineRefused),
    (404, "No such image: app:1", "app:1", base.ImageNotFound),
    (404, "manifest for app:2 not found: manifest unknown: manifest unknown", "app:2",
     base.ImageNotFound),
    (404, "no matching manifest for linux/amd64 in the manifest list entries", "app:2",
     base.ImageNotFound),
    (404, "pull access denied for app, repository does not exist or may require "
     "'docker login': denied: requested access to the resource is denied", "app:1",
     base.RegistryRefused),
    (500, HUB + "unauthorized: incorrect username or password", "app:1",
     errors.SignedOut),
    (500, "Head https://lab/v2/app/manifests/1: no basic auth credentials", "lab.x/app",
     base.RegistryRefused),
    (500, "toomanyrequests: You have reached your pull rate limit.", "app:1",
     errors.RateLimited),
    (500, "login attempt to http://lab.x/v2/ failed with status: 401 Unauthorized",
     "lab.x/", errors.SignedOut),
    (500, "login attempt to http://lab.x/v2/ failed with status: 404 Not Found",
     "lab.x/", base.RegistryUnreachable),
    (404, "get files: no such volume", "", errors.NoVolume),
    (409, "remove files: volume is in use - [4f2a]", "", base.VolumeInUse),
    (500, HUB + "dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: no such host",
     "app:1", base.RegistryUnreachable),
    (500, HUB + "net/http: TLS handshake timeout", "app:1", base.RegistryUnreachable),
    (500, HUB + "x509: certificate signed by unknown authority", "app:1",
     base.RegistryUnreachable),
    (500, HUB + "context deadline exceeded (Client.Timeout exceeded while awaiting "
     "headers)", "app:1", base.RegistryUnreachable),
    (0, "received unexpected HTTP status: 503 Service Unavailable", "app:1",
     base.RegistryUnreachable),
    (0, "failed to register layer: write /a: no space left on device", "app:1",
     base.DiskFull),
    (400, RUNC + 'caused: exec: "/nope": stat /nope: no such file or directory: '
     "unknown", "", base.NoSuchCommand),
    (400, RUNC + 'caused: exec: "nope": executable file not found in $PATH: unknown',
     "", base.NoSuchCommand),
    (500, 'could not select device driver "nvidia" with capabilities: [[gpu]]', "",
     errors.NoGpuDriver),
    (400, RUNC + "nvidia-container-cli: device error: GPU-1: unknown device: unknown",
     "", base.GpuLost),
    (400, "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=0", "",
     base.GpuLost),
    (400, RUNC + "nvidia-container-cli: initialization error: nvml error: driver not "
     "loaded: unknown", "", base.GpuUnavailable),
    (400, RUNC + "nvidia-container-cli: initialization error: load library failed: "
     "libnvidia-ml.so.1: cannot open shared object file", "", base.GpuUnavailable),
    (400, "Minimum memory limit allowed is 6MB", "", base.EngineRefused),
    (500, "something nobody has seen", "", base.EngineRefused),
    (404, "page not found", "app:1", base.ImageNotFound),
]  # fmt: skip


@pytest.mark.parametrize(("status", "said", "image", "kind"), CASES)
def test_words_of_the_engine_become_ours(status, said, image, kind):
    error = errors.translate(status, said, image=image)
    assert type(error) is kind
    text = str(error)
    assert text.endswith(".")
    assert text[0].isupper() or text.startswith(tuple("abcdefghijklmnopqrstuvwxyz"))
    assert "!" not in text


def test_what_is_unknown_keeps_the_engines_words():
    text = str(errors.translate(500, "Error response from daemon: it is Monday"))
    assert text == "The Docker engine refused: it is Monday."


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("registry.lab.example/sd-webui:1.10.9",
         "registry.lab.example answered “not found” for sd-webui:1.10.9."),
        ("gradio/app:1", "Docker Hub answered “not found” for gradio/app:1."),
    ],
)  # fmt: skip
def test_not_found_names_the_registry_and_the_image(image, sentence):
    assert str(errors.translate(404, "manifest unknown", image=image)).startswith(
        sentence
    )


def test_a_missing_program_is_named():
    said = 'exec: \\"nope\\": executable file not found in $PATH'
    assert "“nope”" in str(errors.translate(400, said))


def test_a_closed_socket_says_which_group():
    text = str(errors.unreachable("PermissionError(13, 'Permission denied')"))
    assert "group docker" in text
    assert "systemctl start docker" in str(errors.unreachable("No such file"))


@pytest.mark.parametrize(("code", "said"), [(127, "not found"), (126, "not be run")])
def test_exit_codes_of_a_missing_program(code, said):
    assert said.split()[-1] in errors.bad_exit(code, "/run.sh")
    assert "/run.sh" in errors.bad_exit(code, "/run.sh")


@pytest.mark.parametrize("code", [None, 0, 1, 137, 143])
def test_other_exit_codes_are_the_programs_own(code):
    assert errors.bad_exit(code, "/run.sh") == ""


def test_a_failed_build_names_its_step_and_keeps_its_output():
    said = "The command '/bin/sh -c pip install x' returned a non-zero code: 1"
    error = errors.build_failed("RUN pip install x", said, ["no such package"])
    assert error.tail == ("no such package",)
    assert str(error).startswith(
        "The build failed at “RUN pip install x” with exit code 1."
    )


def test_gpu_troubles_have_words_of_their_own():
    none = errors.translate(500, "could not select device driver")
    gone = errors.translate(400, "nvidia-container-cli: device error: unknown device")
    assert (none.reason, gone.reason) == ("GpuUnavailable", "GpuLost")


def test_nobody_is_sent_to_the_nodes_shell_for_a_sign_in():
    for said in ("denied: no", "incorrect username or password", "too many requests"):
        text = str(errors.translate(500, said, image="ghcr.io/team/app:1"))
        assert "add a registry sign-in" in text
        assert "docker login" not in text


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("toomanyrequests", "Docker Hub allows ada no more pulls for now."),
        ("incorrect username or password", "Docker Hub refused the sign-in of ada."),
        ("denied: no", "Docker Hub refused team/app:1 to ada:"),
    ],
)
def test_a_refusal_of_a_sign_in_says_whose(said, sentence):
    ada = base.SignIn("docker.io", "ada", "hunter2")
    refused = errors.translate(500, said, image="team/app:1")
    text = str(errors.image_refused(ada, "team/app:1", refused))
    assert text.startswith(sentence)
    assert "choose another registry sign-in" in text


def test_a_refused_sign_in_names_the_registry_and_never_the_password():
    ada = base.SignIn("https://index.docker.io/v1/", "ada", "hunter2")
    for error in (
        errors.sign_in_refused(ada),
        errors.image_refused(ada, "team/app:1"),
        errors.sign_in_for_another(ada, "ghcr.io/team/app:1"),
    ):
        assert error.reason == "RegistryRefused"
        assert "Docker Hub" in str(error)
        assert "hunter2" not in f"{error} {ada!r}"


def test_long_words_are_cut():
    assert len(str(errors.translate(500, "word " * 500))) < 400
