"""OTLP's metric messages as the embedded backend reads them, with the field numbers of opentelemetry-proto 1.x.

As in :mod:`devenv.otlp.messages`, text is ``bytes`` and enums are ``int32``. Attributes stay encoded: a series is found
by them. Exemplars are not read. The outer layers of a request are those of traces (``messages.Request``).
"""

from __future__ import annotations

from devenv.otlp import messages

_TIMES = ("2 start fixed64", "3 time fixed64")
_CLASSES = messages.define(
    "devenv.metrics",
    {
        "Metric": (
            "1 name bytes",
            "2 description bytes",
            "3 unit bytes",
            "5 gauge Gauge",
            "7 sum Sum",
            "9 histogram Histogram",
            "10 exponential_histogram ExponentialHistogram",
            "11 summary Summary",
        ),
        "Gauge": ("1 points NumberPoint*",),
        "Sum": ("1 points NumberPoint*", "2 temporality int32", "3 is_monotonic bool"),
        "Histogram": ("1 points HistogramPoint*", "2 temporality int32"),
        "ExponentialHistogram": ("1 points ExponentialPoint*", "2 temporality int32"),
        "Summary": ("1 points SummaryPoint*",),
        "NumberPoint": (*_TIMES, "4 as_double double?", "6 as_int sfixed64?", "7 attributes bytes*", "8 flags uint32"),
        "HistogramPoint": (
            *_TIMES,
            "4 count fixed64",
            "5 sum double?",
            "6 bucket_counts fixed64*",
            "7 bounds double*",
            "9 attributes bytes*",
            "10 flags uint32",
            "11 min double?",
            "12 max double?",
        ),
        "ExponentialPoint": (
            "1 attributes bytes*",
            *_TIMES,
            "4 count fixed64",
            "5 sum double?",
            "6 scale sint32",
            "7 zero_count fixed64",
            "8 positive Buckets",
            "9 negative Buckets",
            "10 flags uint32",
            "12 min double?",
            "13 max double?",
            "14 zero_threshold double",
        ),
        "Buckets": ("1 offset sint32", "2 bucket_counts uint64*"),
        "SummaryPoint": (
            *_TIMES,
            "4 count fixed64",
            "5 sum double",
            "6 quantiles Quantile*",
            "7 attributes bytes*",
            "8 flags uint32",
        ),
        "Quantile": ("1 quantile double", "2 value double"),
    },
)

Metric = _CLASSES["Metric"]
NumberPoint = _CLASSES["NumberPoint"]
HistogramPoint = _CLASSES["HistogramPoint"]
ExponentialPoint = _CLASSES["ExponentialPoint"]
SummaryPoint = _CLASSES["SummaryPoint"]
