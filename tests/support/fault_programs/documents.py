"""A program with pymongo's client, for `test_own_faults`: what it sees of each command is returned."""

from __future__ import annotations

from typing import Any

import pymongo
from pymongo.errors import DuplicateKeyError, OperationFailure
from servers.mongodb import mongodb_server

from devenv.tracing.integrations.databases import pymongo as integration


def with_pymongo(_url: str) -> Any:
    """Commands that succeed, a refused one, and a document that exists."""
    integration.instrument()
    answers: list[Any] = []
    with mongodb_server() as server, pymongo.MongoClient("127.0.0.1", server.port) as client:
        answers.append(client.shop.users.insert_many([{"_id": 1}, {"_id": 2}]).inserted_ids)
        for name in ("refusing", "users"):
            try:
                answers.append(client.shop[name].find_one())
            except OperationFailure as error:
                answers.append(error.code)
        try:
            client.shop.unique.insert_one({})
        except DuplicateKeyError as error:
            answers.append(error.code)
    return answers
