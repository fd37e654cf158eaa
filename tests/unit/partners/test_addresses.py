"""A brand's URL leads to the public internet, or nowhere."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from backend.partners.addresses import check_address, check_base_url
from backend.partners.errors import PartnerAddressError

PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
PRIVATE = ["127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "fd00::1", "::ffff:127.0.0.1"]
NEVER = [
    "169.254.169.254",
    "fe80::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "::7f00:1",
    "::ffff:0:7f00:1",
    "fec0::1",
    "5f00::1",
    "2002:a9fe:a9fe::1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "240.0.0.1",
]


class TestCheckAddress:
    @pytest.mark.parametrize("text", PUBLIC)
    def test_public__may_be_called(self, text: str) -> None:
        check_address(ip_address(text), private=False)

    @pytest.mark.parametrize("text", PRIVATE)
    def test_private__only_where_the_operator_says_so(self, text: str) -> None:
        check_address(ip_address(text), private=True)
        with pytest.raises(PartnerAddressError):
            check_address(ip_address(text), private=False)

    @pytest.mark.parametrize("text", NEVER)
    @pytest.mark.parametrize("private", [False, True])
    def test_link_local_and_odd__never(self, text: str, private: bool) -> None:
        with pytest.raises(PartnerAddressError):
            check_address(ip_address(text), private=private)


class TestCheckBaseUrl:
    @pytest.mark.parametrize(
        ("text", "checked"),
        [
            ("https://points.example/", "https://points.example"),
            ("https://points.example:8443/v2/ip/", "https://points.example:8443/v2/ip"),
        ],
    )
    def test_public__loses_only_its_last_slash(self, text: str, checked: str) -> None:
        assert check_base_url(text, private=False) == checked

    @pytest.mark.parametrize("text", ["http://localhost:8080/x", "http://127.0.0.1:1", "http://[::1]:1"])
    def test_loopback_without_tls__only_where_the_operator_says_so(self, text: str) -> None:
        assert check_base_url(text, private=True) == text
        with pytest.raises(PartnerAddressError):
            check_base_url(text, private=False)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "points.example",
            "http://points.example",
            "http://10.0.0.1",
            "ftp://points.example",
            "file:///etc/passwd",
            "https://",
            "https://user:word@points.example",
            "https://points.example?x=1",
            "https://points.example/?",
            "https://points.example/#there",
            "https://points.example:99999",
            "https://points.example:0",
            "https://169.254.169.254/latest",
            "https://[fe80::1]",
            "https://points.example/\x00",
            "https://points.example/" + "x" * 500,
        ],
    )
    @pytest.mark.parametrize("private", [False, True])
    def test_anything_else__is_refused(self, text: str, private: bool) -> None:
        with pytest.raises(PartnerAddressError):
            check_base_url(text, private=private)
