"""Recognises the language of a service from its command, its image and its Dockerfile, without running anything."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import field
from typing import TYPE_CHECKING, Literal

from devenv.contract.answers import ImageConfig
from devenv.immutable import immutable
from devenv.orchestrate.instrumentation.infrastructure import Kind, kind_of_image, repository_name
from devenv.stack.dockerfile import Recipe, command_line, recipe_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devenv.model.stack import Service

Language = Literal["python", "node", "java", "dotnet", "go", "php", "ruby", "rust", "cpp"]

_PROGRAMS: dict[Language, str] = {
    "python": (
        "python pypy uvicorn gunicorn hypercorn daphne granian waitress-serve uwsgi flask fastapi django-admin celery "
        "rq dramatiq huey_consumer airflow pipenv poetry pdm hatch uv uvx ipython jupyter streamlit locust ddtrace-run "
        "opentelemetry-instrument newrelic-admin"
    ),
    "node": (
        "node nodejs npm npx yarn pnpm nodemon tsx ts-node ts-node-dev pm2 pm2-runtime next nuxt nest vite remix-serve "
        "ng react-scripts webpack webpack-dev-server gulp corepack"
    ),
    "java": "java mvn mvnw gradle gradlew catalina.sh startup.sh sbt scala kotlin clojure lein quarkus spring",
    "dotnet": "dotnet",
    "go": "go air",
    "php": "php php-fpm artisan composer apache2-foreground frankenphp rr",
    "ruby": "ruby rails bundle rake rackup puma unicorn thin sidekiq jekyll",
    "rust": "cargo",
    "cpp": "",
}
_BY_PROGRAM: dict[str, Language] = {name: language for language, names in _PROGRAMS.items() for name in names.split()}
_NUMBERED = re.compile(r"(python|pypy|php-fpm|php|ruby|node)[0-9.]*t?$")
_BY_ENDING: dict[str, Language] = {
    ".py": "python",
    ".pyz": "python",
    ".js": "node",
    ".mjs": "node",
    ".cjs": "node",
    ".jar": "java",
    ".war": "java",
    ".dll": "dotnet",
    ".php": "php",
    ".rb": "ruby",
}

_REPOSITORIES: dict[Language, str] = {
    "python": (
        "python pypy uv uvicorn-gunicorn uvicorn-gunicorn-fastapi uvicorn-gunicorn-starlette uwsgi-nginx-flask "
        "meinheld-gunicorn-flask miniconda3 micromamba anaconda3 django"
    ),
    "node": "node nodejs",
    "java": (
        "eclipse-temurin openjdk amazoncorretto zulu-openjdk zulu-openjdk-alpine liberica-openjdk-alpine "
        "liberica-openjdk-debian liberica-runtime-container ibm-semeru-runtimes sapmachine graalvm graalvm-ce "
        "jdk-community maven gradle tomcat jetty tomee wildfly open-liberty websphere-liberty payara "
        "payara-micro clojure spring-boot"
    ),
    "dotnet": "aspnet dotnet",
    "go": "golang",
    "php": "php php-fpm php-apache wordpress drupal joomla nextcloud mediawiki frankenphp composer",
    "ruby": "ruby rails redmine discourse",
    "rust": "rust",
    "cpp": "gcc",
}
_BY_REPOSITORY: dict[str, Language] = {
    name: language for language, names in _REPOSITORIES.items() for name in names.split()
}
_DISTROLESS: dict[str, Language] = {"python": "python", "nodejs": "node", "java": "java"}

_VARIABLES: dict[str, Language] = {
    "PYTHON_VERSION": "python",
    "PYTHON_SHA256": "python",
    "VIRTUAL_ENV": "python",
    "NODE_VERSION": "node",
    "JAVA_VERSION": "java",
    "JAVA_HOME": "java",
    "DOTNET_VERSION": "dotnet",
    "ASPNET_VERSION": "dotnet",
    "DOTNET_RUNNING_IN_CONTAINER": "dotnet",
    "GOLANG_VERSION": "go",
    "PHP_VERSION": "php",
    "RUBY_VERSION": "ruby",
    "RUST_VERSION": "rust",
}
_SOURCES: dict[str, Language] = {
    "requirements.txt": "python",
    "pyproject.toml": "python",
    "poetry.lock": "python",
    "uv.lock": "python",
    "Pipfile": "python",
    "package.json": "node",
    "package*.json": "node",
    "package-lock.json": "node",
    "yarn.lock": "node",
    "pnpm-lock.yaml": "node",
    "pom.xml": "java",
    "build.gradle": "java",
    "build.gradle.kts": "java",
    "go.mod": "go",
    "go.sum": "go",
    "composer.json": "php",
    "Gemfile": "ruby",
    "Cargo.toml": "rust",
    "CMakeLists.txt": "cpp",
}
_SOURCE_ENDINGS: dict[str, Language] = {**_BY_ENDING, ".csproj": "dotnet", ".go": "go", ".rs": "rust", ".cpp": "cpp"}
_COMPILED = frozenset(("go", "rust", "cpp"))
"""Languages whose programs run in an image without anything of the language."""

_SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh"})
_WRAPPERS = frozenset(
    {"exec", "env", "tini", "dumb-init", "time", "nice", "nohup", "sudo", "su-exec", "gosu", "setpriv", "stdbuf"}
    | {"--", "-g", "then", "do", "else", "if", "while", "!", "{", "(", "command", "catatonit", "watchmedo"}
)
_AFTER_OPTIONS = frozenset(
    {"wait-for-it.sh", "wait-for", "wait-for-it", "dockerize", "wait-for.sh", "docker-entrypoint.sh"}
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


@immutable(kw_only=True)
class Recognition:
    """What a service is.

    Attributes:
        language: of its program; ``None`` if it is not known.
        infrastructure: a database, broker or such, which needs no tracing; ``None`` for a program.
        sign: what told it, such as ``command python app.py``; empty if nothing is known.
    """

    language: Language | None = None
    infrastructure: Kind | None = None
    sign: str = ""


@immutable(kw_only=True)
class Evidence:
    """What is known of a service before it starts.

    Attributes:
        image: the reference that the stack file names; empty if it is built.
        recipe: of the Dockerfile; ``None`` if it is not built, or the file cannot be read.
        command: entrypoint and command together, as far as they are known.
        environment: of the image.
    """

    image: str = ""
    recipe: Recipe | None = None
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def evidence_of(service: Service, config: ImageConfig | None, *, processes: bool) -> Evidence:
    """Collect what the stack file, the Dockerfile and the image say of a service.

    Args:
        service: as resolved from the stack file.
        config: of its image, if the engine has it.
        processes: its process is started by ``x-devenv.process`` if that is set.
    """
    recipe = recipe_of(service.build) if service.build is not None else None
    stage = recipe.image if recipe else None
    config = config or ImageConfig()
    process = service.x.process
    if processes and process is not None:
        words = process.command
        command = ("sh", "-c", words) if isinstance(words, str) else tuple(words)
    else:
        command = command_line(
            service,
            config.entrypoint or (stage.entrypoint if stage else None),
            config.command or (stage.command if stage else None),
        )
    return Evidence(
        image="" if service.build is not None else service.image or "",
        recipe=recipe,
        command=command,
        environment={**(stage.environment if stage else {}), **config.environment},
    )


def recognise(evidence: Evidence) -> Recognition:
    """Return what a service is: the image if it is infrastructure, else the command, else image and Dockerfile."""
    recipe = evidence.recipe
    kind = kind_of_image(evidence.image)
    if kind is not None:
        return Recognition(infrastructure=kind, sign=f"image {evidence.image}")
    for words in commands(evidence.command):
        if language := language_of_command(words):
            return Recognition(language=language, sign=f"command {shlex.join(words)[:80]}")
    images = [evidence.image] if evidence.image else [recipe.image.base] if recipe else []
    for image in images:
        if kind := kind_of_image(image):
            return Recognition(infrastructure=kind, sign=f"image {image}")
        if language := language_of_image(image):
            return Recognition(language=language, sign=f"image {image}")
    for variable, language in _VARIABLES.items():
        if variable in evidence.environment:
            return Recognition(language=language, sign=f"variable {variable} of the image")
    return _of_sources(recipe) if recipe else Recognition()


def _of_sources(recipe: Recipe) -> Recognition:
    """By the files that a Dockerfile copies, and by the stages that a compiled program comes from."""
    for copy in recipe.image.copies:
        stage = recipe.stage(copy.stage) if copy.stage else None
        language = language_of_image(stage.base if stage else copy.stage)
        if language in _COMPILED:
            return Recognition(language=language, sign=f"stage of {stage.base if stage else copy.stage}")
    for copy in recipe.image.copies:
        for source in copy.sources:
            name = posixpath.basename(source)
            language = _SOURCES.get(name) or _SOURCE_ENDINGS.get(posixpath.splitext(name)[1])
            if language:
                return Recognition(language=language, sign=f"file {source} of the Dockerfile")
    return Recognition()


def language_of_image(image: str) -> Language | None:
    """The language of an image by its name; ``None`` if the name does not tell."""
    name = repository_name(image)
    path = image.partition("@")[0]
    if "distroless/" in path:
        return next((language for word, language in _DISTROLESS.items() if name.startswith(word)), None)
    if "/dotnet/" in path:
        return "dotnet"
    return _BY_REPOSITORY.get(name)


def language_of_command(words: tuple[str, ...]) -> Language | None:
    """The language of a simple command by its program; ``None`` if that does not tell."""
    if not words:
        return None
    name = posixpath.basename(words[0])
    numbered = _NUMBERED.match(name)
    found = _BY_PROGRAM.get(name) or (_BY_PROGRAM.get(numbered[1]) if numbered else None)
    return found or _BY_ENDING.get(posixpath.splitext(name)[1])


def commands(words: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The simple commands of a command line, without wrappers such as ``sh -c``, ``exec`` or ``tini``; the last first.

    The last command of a shell line is the one that keeps running.
    """
    found = list(_simple(words, depth=0))
    return tuple(reversed(found))


def _simple(words: tuple[str, ...], *, depth: int) -> Iterator[tuple[str, ...]]:
    if depth > 4:
        return
    rest = list(words)
    while rest and (rest[0] in _WRAPPERS or posixpath.basename(rest[0]) in _WRAPPERS or _ASSIGNMENT.fullmatch(rest[0])):
        wrapper = posixpath.basename(rest.pop(0))
        if wrapper in {"gosu", "su-exec"} and rest:
            del rest[0]  # the user
    if not rest:
        return
    program = posixpath.basename(rest[0])
    if program in _SHELLS:
        script = _script(rest[1:])
        if script is not None:
            for line in _split(script):
                yield from _simple(line, depth=depth + 1)
        elif len(rest) > 1:
            yield from _simple(tuple(rest[1:]), depth=depth + 1)
    elif program in _AFTER_OPTIONS or program.endswith("entrypoint.sh"):
        after = rest[rest.index("--") + 1 :] if "--" in rest else rest[1:]
        yield from _simple(tuple(after), depth=depth + 1)
    else:
        yield tuple(rest)


def _script(arguments: list[str]) -> str | None:
    """The script of ``sh -c``; ``None`` if the shell runs a file."""
    for position, word in enumerate(arguments):
        if word.startswith("-") and not word.startswith("--") and "c" in word[1:]:
            return next(iter(arguments[position + 1 :]), None)
        if not word.startswith("-"):
            return None
    return None


def _split(script: str) -> Iterator[tuple[str, ...]]:
    lexer = shlex.shlex(script.replace("\n", " ; "), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    line: list[str] = []
    try:
        for word in lexer:
            if set(word) <= set(";|&()"):
                if line:
                    yield tuple(line)
                line = []
            else:
                line.append(word)
    except ValueError:  # a quote that does not end: what was read before counts
        pass
    if line:
        yield tuple(line)
