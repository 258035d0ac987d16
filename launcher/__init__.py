"""Installs what is missing, starts Alight's processes, and stops exactly those.

Standard library only: it runs with the system's Python before anything is installed.

    __main__     the words after `python3 -m launcher`
    up           make up, make down, make status, in order, as prose
    install      apt packages and the virtual environment
    engine       the Docker engine: is it there, start it, stop ours
    base_images  the image that templates are built from, also without a registry
    replicas     this installation's containers, for make down REPLICAS=1
    services     which processes there are and how each is started
    supervisor   keeps them running; one per ALIGHT_HOME
    processes    pid records: a reused pid is never signalled
    suite        make test
    config, ports, wire, show, errors     what the above stand on
"""
