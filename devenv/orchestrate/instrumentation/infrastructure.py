"""Recognises infrastructure services (databases, brokers, collectors) by their image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from devenv.stack.dockerfile import recipe_of

if TYPE_CHECKING:
    from devenv.model.stack import Service

Kind = Literal["database", "broker", "tool", "collector", "web server"]

_IMAGES: dict[Kind, str] = {
    "database": (
        "postgres postgresql postgis pgvector timescaledb timescaledb-ha mysql mysql-server mariadb percona mongo "
        "mongodb redis redis-stack redis-stack-server valkey keydb dragonfly memcached elasticsearch opensearch solr "
        "meilisearch typesense qdrant weaviate cassandra scylla couchdb couchbase neo4j influxdb clickhouse "
        "clickhouse-server cockroach minio etcd consul vault"
    ),
    "broker": (
        "rabbitmq kafka cp-kafka cp-server cp-zookeeper cp-schema-registry zookeeper redpanda nats activemq "
        "activemq-artemis artemis emqx eclipse-mosquitto pulsar"
    ),
    "tool": (
        "prometheus grafana loki alertmanager kibana opensearch-dashboards adminer pgadmin4 phpmyadmin mongo-express "
        "kafka-ui redisinsight mailhog mailpit maildev localstack azurite"
    ),
    "collector": (
        "opentelemetry-collector opentelemetry-collector-contrib opentelemetry-collector-k8s "
        "opentelemetry-collector-otlp otel-collector otelcol otelcol-contrib aws-otel-collector splunk-otel-collector "
        "otel-lgtm tempo zipkin zipkin-slim jaeger-collector jaeger-query jaeger-agent alloy signoz "
        "signoz-otel-collector aspire-dashboard"
    ),
    "web server": "nginx nginx-unprivileged httpd caddy traefik envoy haproxy varnish squid",
}
_KINDS = {name: kind for kind, names in _IMAGES.items() for name in names.split()}


def infrastructure_kind(service: Service) -> Kind | None:
    """The kind of infrastructure of a service's image or base image; ``None`` if it is not known as infrastructure."""
    kind = kind_of_image(image_of(service))
    return None if kind == "web server" else kind


def kind_of_image(image: str) -> Kind | None:
    """The kind of infrastructure of an image by its name; ``None`` if it is not known as infrastructure."""
    return _KINDS.get(repository_name(image)) if image else None


def image_of(service: Service) -> str:
    """The image that identifies a service: the last base image of its build, else its image; empty if unknown."""
    recipe = recipe_of(service.build) if service.build is not None else None
    return recipe.bases[-1] if recipe and recipe.bases else service.image or ""


def repository_name(image: str) -> str:
    """``postgres`` of ``registry:5000/library/postgres:16@sha256:…``."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
