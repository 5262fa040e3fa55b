"""The orders in PostgreSQL."""

from __future__ import annotations

import os

from sqlalchemy import create_engine, text

engine = create_engine(os.environ["DATABASE_URL"], pool_pre_ping=True)


def create() -> None:
    """Create the table, unless it exists."""
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE IF NOT EXISTS orders (id SERIAL PRIMARY KEY, article INTEGER NOT NULL, invoice TEXT)")
        )


def latest(count: int) -> list[dict[str, object]]:
    """Return the newest orders."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT id, article, invoice FROM orders ORDER BY id DESC LIMIT :count"), {"count": count}
        )
        return [dict(row) for row in rows.mappings()]


def add(article: int) -> int:
    """Write an order and return its number."""
    with engine.begin() as connection:
        statement = text("INSERT INTO orders (article) VALUES (:article) RETURNING id")
        return int(connection.execute(statement, {"article": article}).scalar_one())


def bill(order: int, invoice: str) -> None:
    """Write the invoice of an order."""
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE orders SET invoice = :invoice WHERE id = :order"), {"invoice": invoice, "order": order}
        )
