"""The orders: reads and writes them, and puts each new one on the queue of invoices."""

from __future__ import annotations

import os

import store
from flask import Flask
from redis import Redis
from rq import Queue

app = Flask(__name__)
invoices = Queue("invoices", connection=Redis.from_url(os.environ["QUEUE_URL"]))
store.create()


@app.get("/healthz")
def healthz():
    """Answer as soon as the service runs."""
    return {"ok": True}


@app.get("/orders")
def latest():
    """Return the ten newest orders."""
    return store.latest(10)


@app.post("/orders/<int:article>")
def add(article: int):
    """Write an order, and let the worker make its invoice."""
    order = store.add(article)
    invoices.enqueue("invoice.make", order, article)
    return {"order": order}, 201
