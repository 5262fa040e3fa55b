"""A program with graphql-core, for `test_own_faults`: what it sees of each operation is returned."""

from __future__ import annotations

import asyncio
from typing import Any

from graphql import build_schema, graphql, graphql_sync

from devenv.tracing.integrations.web import graphql as integration


def _price(*_: Any) -> int:
    raise ValueError("own")


async def _name(*_: Any) -> str:
    return "pen"


def with_graphql(_url: str) -> Any:
    """Operations that succeed and fail, and one that waits."""
    integration.instrument()
    schema = build_schema("type Query { item: String, price: Int, name: String, whole: Int! }")
    root = {"item": "pen", "price": _price, "name": _name, "whole": _price}
    found: list[Any] = [
        graphql_sync(schema, text, root).formatted for text in ("{ item }", "query Q { price }", "{ whole }")
    ]
    return [*found, *(asyncio.run(graphql(schema, text, root)).formatted for text in ("{ name }", "{ name price }"))]
