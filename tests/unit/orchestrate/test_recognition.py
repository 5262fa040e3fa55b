"""Which language a service is recognised as."""

from __future__ import annotations

import pytest

from devenv.orchestrate.instrumentation.recognition import Evidence, Recognition, recognise
from devenv.stack.dockerfile import read_recipe


def of(image: str = "", command: str = "", dockerfile: str = "", **environment: str) -> Recognition:
    recipe = read_recipe(dockerfile) if dockerfile else None
    words = tuple(command.split("|")) if "|" in command else tuple(command.split())
    return recognise(Evidence(image=image, recipe=recipe, command=words, environment=environment))


@pytest.mark.parametrize(
    ("command", "language"),
    [
        ("python app.py", "python"),
        ("/usr/local/bin/python3.12 -m shop", "python"),
        ("gunicorn shop.wsgi", "python"),
        ("uvicorn shop:app --host 0.0.0.0", "python"),
        ("celery -A shop worker", "python"),
        ("./manage.py runserver", "python"),
        ("poetry run python app.py", "python"),
        ("tini -- python app.py", "python"),
        ("/usr/bin/dumb-init -- python app.py", "python"),
        ("env A=1 B=2 python app.py", "python"),
        ("sh|-c|exec gunicorn shop.wsgi -b :$PORT", "python"),
        ("bash|-ec|python manage.py migrate && python manage.py runserver", "python"),
        ("sh|-c|cd /app; pip install -r requirements.txt; flask run", "python"),
        ("./wait-for-it.sh db:5432 -- python app.py", "python"),
        ("docker-entrypoint.sh python app.py", "python"),
        ("gosu app python app.py", "python"),
        ("node server.js", "node"),
        ("docker-entrypoint.sh node server.js", "node"),
        ("npm run start", "node"),
        ("yarn dev", "node"),
        ("sh|-c|npm install && npm run dev", "node"),
        ("java -jar app.jar", "java"),
        ("./mvnw spring-boot:run", "java"),
        ("/opt/app/service.jar", "java"),
        ("catalina.sh run", "java"),
        ("dotnet Shop.dll", "dotnet"),
        ("php-fpm8.2 -F", "php"),
        ("bundle exec rails s", "ruby"),
        ("puma -C config/puma.rb", "ruby"),
        ("go run .", "go"),
        ("cargo run", "rust"),
        ("/app/server", None),
        ("sh|-c|echo 'unfinished", None),
        ("sh", None),
        ("", None),
    ],
)
def test_a_command_tells_the_language(command: str, language: str | None) -> None:
    assert of(command=command).language == language


@pytest.mark.parametrize(
    ("image", "language"),
    [
        ("python:3.12-slim", "python"),
        ("docker.io/library/python@sha256:0", "python"),
        ("ghcr.io/astral-sh/uv:python3.12", "python"),
        ("tiangolo/uvicorn-gunicorn-fastapi:python3.11", "python"),
        ("node:22-alpine", "node"),
        ("gcr.io/distroless/nodejs22-debian12", "node"),
        ("gcr.io/distroless/java17", "java"),
        ("gcr.io/distroless/python3", "python"),
        ("gcr.io/distroless/static", None),
        ("eclipse-temurin:17-jre", "java"),
        ("maven:3.9-eclipse-temurin-21", "java"),
        ("tomcat:10", "java"),
        ("mcr.microsoft.com/dotnet/aspnet:8.0", "dotnet"),
        ("golang:1.22", "go"),
        ("php:8-apache", "php"),
        ("wordpress:6", "php"),
        ("ruby:3.3", "ruby"),
        ("rust:1", "rust"),
        ("gcc:13", "cpp"),
        ("debian:12", None),
        ("registry:5000/team/shop:1", None),
    ],
)
def test_an_image_tells_the_language(image: str, language: str | None) -> None:
    assert of(image).language == language
    assert of(dockerfile=f"FROM {image}\n").language == language


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("postgres:16", "database"),
        ("bitnami/redis", "database"),
        ("rabbitmq:3-management", "broker"),
        ("confluentinc/cp-kafka:7", "broker"),
        ("nginx:1", "web server"),
        ("traefik:v3", "web server"),
        ("otel/opentelemetry-collector-contrib", "collector"),
        ("mailhog/mailhog", "tool"),
    ],
)
def test_infrastructure_is_no_program_of_a_language(image: str, kind: str) -> None:
    found = of(image, command="java -jar server.jar")
    assert (found.infrastructure, found.language) == (kind, None)
    assert image in found.sign


@pytest.mark.parametrize(
    ("variable", "language"),
    [("PYTHON_VERSION", "python"), ("NODE_VERSION", "node"), ("JAVA_HOME", "java"), ("PHP_VERSION", "php")],
)
def test_variables_of_an_unknown_image_tell_the_language(variable: str, language: str) -> None:
    assert of("team/shop:1", command="/start", **{variable: "1"}).language == language


def test_a_command_tells_more_than_the_image() -> None:
    assert of("node:22", command="python3 app.py").language == "python"


def test_a_built_web_server_is_one() -> None:
    text = "FROM node:22 AS build\nRUN npm run build\nFROM nginx\nCOPY --from=build /dist /usr/share/nginx/html\n"
    assert of(dockerfile=text).infrastructure == "web server"


@pytest.mark.parametrize(("builder", "language"), [("golang:1.22", "go"), ("rust:1", "rust"), ("gcc:13", "cpp")])
def test_a_compiled_program_is_known_by_the_stage_that_it_comes_from(builder: str, language: str) -> None:
    text = f"FROM {builder} AS build\nFROM scratch\nCOPY --from=build /app /app\nCMD ['/app']\n"
    assert of(dockerfile=text, command="/app").language == language


@pytest.mark.parametrize(
    ("file", "language"),
    [
        ("requirements.txt", "python"),
        ("pyproject.toml", "python"),
        ("package.json", "node"),
        ("target/shop.jar", "java"),
        ("Gemfile", "ruby"),
        ("composer.json", "php"),
        ("Shop.csproj", "dotnet"),
        ("go.mod", "go"),
    ],
)
def test_copied_files_tell_the_language(file: str, language: str) -> None:
    found = of(dockerfile=f"FROM debian:12\nCOPY {file} /app/\n", command="/app/start")
    assert found.language == language
    assert file in found.sign
