"""What Elasticsearch's client reads from a node, however the bytes arrive."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import elastic_transport
import pytest
from elastic_transport import ConnectionTimeout, NodeConfig

from services.catalog.index.elastic_node import FastNode

PLAIN = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}'
CHUNKED = b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\ntransfer-encoding: chunked\r\n\r\n"


@contextmanager
def _node(*connections: list[list[bytes]], seconds: float = 5) -> Iterator[tuple[FastNode, list[bytes]]]:
    """A node whose server answers by connection and request with these pieces; yields the requests that it got, too."""
    requests: list[bytes] = []

    def serve() -> None:
        for answers in connections:
            connection, _ = server.accept()
            with connection:
                for pieces in answers:
                    requests.append(connection.recv(65_536))
                    for piece in pieces:
                        connection.sendall(piece)
                if not answers or not answers[-1]:
                    ended.wait(5)

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        node = FastNode(NodeConfig("http", "127.0.0.1", server.getsockname()[1], request_timeout=seconds))
        yield node, requests
        ended.set()
        node.close()
        thread.join()


def test_a_request_is_one_message_with_what_the_client_sets() -> None:
    with _node([[PLAIN]]) as (node, requests):
        meta, body = node.perform_request("POST", "/a/_search?b=c", b"{}", {"content-type": "application/json"})
        assert (meta.status, meta.mimetype, body) == (200, "application/json", b'{"a":1}')
        head, _, sent = requests[0].decode().partition("\r\n\r\n")
        first, *fields = head.splitlines()
        assert (first, sent) == ("POST /a/_search?b=c HTTP/1.1", "{}")
        assert {f"host: 127.0.0.1:{node.port}", "content-length: 2", "content-type: application/json"} <= set(fields)


def test_answers_may_come_in_pieces_and_chunks_on_one_connection() -> None:
    chunks = [CHUNKED[:20], CHUNKED[20:], b'4\r\n{"a"\r', b"\n3\r\n:1}", b"\r\n0\r\n\r\n"]
    with _node([chunks, [PLAIN], [b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"]]) as (node, _):
        meta, body = node.perform_request("GET", "/")
        assert (meta.headers["x-elastic-product"], body) == ("Elasticsearch", b'{"a":1}')
        assert node.perform_request("GET", "/").body == b'{"a":1}'
        assert node.perform_request("GET", "/").meta.status == 404


def test_a_connection_that_the_node_ends_is_not_used_again() -> None:
    close = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end"
    with _node([[close]], [[PLAIN]]) as (node, _):
        assert node.perform_request("GET", "/").body == b"until the end"
        assert node.perform_request("GET", "/").body == b'{"a":1}'


def test_head_has_no_body() -> None:
    with _node([[b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n"], [PLAIN]]) as (node, _):
        assert node.perform_request("HEAD", "/a").meta.status == 200
        assert node.perform_request("GET", "/").body == b'{"a":1}'


@pytest.mark.parametrize("answer", [b"", PLAIN[:-3], b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_an_answer_that_breaks_off_or_is_no_http_is_a_connection_error(answer: bytes) -> None:
    with _node([[answer]], [[PLAIN]]) as (node, _):
        with pytest.raises(elastic_transport.ConnectionError):
            node.perform_request("GET", "/")
        assert node.perform_request("GET", "/").body == b'{"a":1}'


def test_a_silent_node_is_a_timeout() -> None:
    with _node([[]], seconds=0.2) as (node, _), pytest.raises(ConnectionTimeout):
        node.perform_request("GET", "/")


def test_no_header_begins_another_line() -> None:
    with _node([[PLAIN]]) as (node, requests):
        with pytest.raises(ValueError, match="two lines"):
            node.perform_request("GET", "/", headers={"accept": "a\r\nb: c"})
        assert node.perform_request("GET", "/").body == b'{"a":1}'
        assert len(requests) == 1
