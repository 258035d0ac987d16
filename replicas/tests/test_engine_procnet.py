"""Listening ports from the kernel's table."""

from replicas.engine.procnet import listening

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n"
ANY_3000 = "   0: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000\n"
LOOPBACK_9090 = "   1: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000\n"
ENGINE_DNS = "   2: 0B00007F:A3F1 00000000:0000 0A 00000000:00000000 00:00000000\n"
TALKING = "   3: 020010AC:0BB8 010010AC:C001 01 00000000:00000000 00:00000000\n"
ANY6_8080 = f"   0: {'0' * 32}:1F90 {'0' * 32}:0000 0A 00000000:00000000 00:00000000\n"
LOOP6_7000 = (
    f"   1: {'0' * 24}01000000:1B58 {'0' * 32}:0000 0A 00000000:00000000 00:00\n"
)
MAPPED_LOOP_7001 = (
    f"   1: {'0' * 16}FFFF00000100007F:1B59 {'0' * 32}:0000 0A 00000000:00 00:00\n"
)
MAPPED_3001 = (
    f"   1: {'0' * 16}FFFF0000020010AC:0BB9 {'0' * 32}:0000 0A 00000000:00 00:00\n"
)
ALL = (
    HEAD + ANY_3000 + LOOPBACK_9090 + ENGINE_DNS + TALKING
    + HEAD + ANY6_8080 + LOOP6_7000 + MAPPED_LOOP_7001 + MAPPED_3001
)  # fmt: skip


def test_ports_that_can_be_reached():
    assert listening(ALL) == [3000, 3001, 8080]


def test_ports_that_only_the_container_reaches():
    assert listening(ALL, loopback=True) == [7000, 7001, 9090]


def test_a_port_on_both_can_be_reached():
    both = HEAD + ANY_3000 + ANY_3000.replace("00000000:0BB8", "0100007F:0BB8")
    assert listening(both) == [3000]
    assert listening(both, loopback=True) == []


def test_nothing_listens():
    assert listening("") == []
    assert listening(HEAD + TALKING + ENGINE_DNS) == []
