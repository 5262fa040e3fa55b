"""What the worker does for each order."""

from __future__ import annotations

import json
import os
import urllib.request

import store


def make(order: int, article: int) -> str:
    """Take an article from the stock, and write the invoice of its order."""
    request = urllib.request.Request(f"{os.environ['STOCK_URL']}/stock/{article}", method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        left = json.load(answer)["left"]
    invoice = f"order {order}: article {article}, {left} left"
    store.bill(order, invoice)
    return invoice
