"""The libraries that `auto` traces. It imports nothing: programs read it when they start."""

INTEGRATIONS = (
    ("aiohttp", "aiohttp", "aiohttp_client", "instrument"),
    ("aiohttp", "aiohttp.web", "aiohttp_server", "instrument"),
    ("asgi", "starlette.applications", "asgi_servers", "instrument_starlette"),
    ("asgi", "fastapi.applications", "asgi_servers", "instrument_fastapi"),
    ("asgi", "uvicorn", "asgi_servers", "instrument_uvicorn"),
    ("asgi", "hypercorn.app_wrappers", "asgi_servers", "instrument_hypercorn"),
    ("flask", "flask", "wsgi", "instrument_flask"),
    ("django", "django.core.handlers.base", "django", "instrument"),
    ("django", "django.core.handlers.wsgi", "django", "instrument_wsgi"),
    ("django", "django.core.handlers.asgi", "django", "instrument_asgi"),
    ("django", "django.db.backends.utils", "django", "instrument_databases"),
    ("falcon", "falcon", "web.falcon", "instrument"),
    ("falcon", "falcon.asgi", "web.falcon", "instrument_asgi"),
    ("tornado", "tornado.web", "web.tornado_server", "instrument"),
    ("tornado", "tornado.simple_httpclient", "web.tornado_client", "instrument"),
    ("tornado", "tornado.curl_httpclient", "web.tornado_client", "instrument_curl"),
    ("websockets", "websockets.asyncio.client", "web.websockets_client", "instrument"),
    ("websockets", "websockets.sync.client", "web.websockets_client", "instrument_sync"),
    ("websockets", "websockets.asyncio.server", "web.websockets_server", "instrument"),
    ("websockets", "websockets.sync.server", "web.websockets_server", "instrument_sync"),
    ("jinja2", "jinja2", "web.jinja2", "instrument"),
    ("graphql", "graphql", "web.graphql", "instrument"),
    ("grpc", "grpc", "rpc.grpc", "instrument"),
    ("botocore", "botocore.client", "rpc.botocore", "instrument"),
    ("httpx", "httpx", "httpx_client", "instrument"),
    ("requests", "requests", "requests_client", "instrument"),
    ("urllib3", "urllib3.connectionpool", "urllib3_client", "instrument"),
    ("urllib", "urllib.request", "urllib_client", "instrument"),
    ("sqlite3", "sqlite3", "sqlite", "instrument"),
    ("aiosqlite", "aiosqlite.core", "aiosqlite", "instrument"),
    ("psycopg", "psycopg", "databases.psycopg", "instrument"),
    ("psycopg2", "psycopg2", "databases.psycopg2", "instrument"),
    ("asyncpg", "asyncpg", "databases.asyncpg", "instrument"),
    ("pymysql", "pymysql", "databases.pymysql", "instrument"),
    ("pymongo", "pymongo", "databases.pymongo", "instrument"),
    ("sqlalchemy", "sqlalchemy", "sqlalchemy", "instrument"),
    ("redis", "redis", "redis", "instrument"),
    ("celery", "celery.app.base", "messaging.celery", "instrument"),
    ("rq", "rq", "messaging.rq", "instrument"),
    ("pika", "pika", "messaging.pika", "instrument"),
    ("aio_pika", "aio_pika", "messaging.aio_pika", "instrument"),
    ("kafka", "kafka", "messaging.kafka_python", "instrument"),
    ("confluent_kafka", "confluent_kafka", "messaging.confluent_kafka", "instrument"),
    ("threads", "threading", "threads", "instrument"),
    ("logging", "logging", "log_records", "instrument_lines"),
)
"""Name, the library's module, our module and its function."""

# The names of the stock instrumentations in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, if they differ from ours. FastAPI's
# and Starlette's applications are both traced as ASGI applications.
STOCK_NAMES = {
    ("aiohttp", "aiohttp_client"): ("aiohttp-client",),
    ("aiohttp", "aiohttp_server"): ("aiohttp-server",),
    ("asgi", "asgi_servers"): ("starlette", "fastapi"),
    ("grpc", "rpc.grpc"): ("grpc-client", "grpc-server", "grpc-aio-client", "grpc-aio-server"),
    ("threads", "threads"): ("threading",),
    ("aio_pika", "messaging.aio_pika"): ("aio-pika",),
    ("kafka", "messaging.kafka_python"): ("kafka-python",),
    ("confluent_kafka", "messaging.confluent_kafka"): ("confluent-kafka",),
}

# Libraries that another one calls: left out with it, or its calls would be traced all the same.
BELOW = {"urllib3": "requests"}
