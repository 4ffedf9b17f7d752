"""django-post_office under its default settings, sending what is queued; runs in the benchmark environment.

`python django_sender.py fill N SIZE` queues messages, `… send` sends them in one process and prints the seconds.
`BENCH_DATABASE_URL` and `BENCH_SMTP_PORT` say where. Its messages are rendered beforehand, which ours are not.
"""

import os
import sys
import time
from importlib import import_module
from urllib.parse import urlsplit

import django  # type: ignore[import-not-found]
from django.conf import settings  # type: ignore[import-not-found]
from django.core.management import call_command  # type: ignore[import-not-found]


def set_up() -> None:
    """Configure Django as a project that just added the app, and make the tables."""
    url = urlsplit(os.environ["BENCH_DATABASE_URL"])
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.path.strip("/"),
                "USER": url.username,
                "PASSWORD": url.password,
                "HOST": url.hostname,
                "PORT": url.port,
            }
        },
        EMAIL_BACKEND="post_office.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=int(os.environ["BENCH_SMTP_PORT"]),
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)


def fill(count: int, size: int) -> None:
    """Queue messages of which text and HTML together have a size."""
    mail = import_module("post_office.mail")

    line = "How many stars does the tea towel get, and why?\n"
    text, html = line * (size // 4 // len(line)), line * (size * 3 // 4 // len(line))
    mail.send_many(
        {
            "recipients": [f"customer{number}@example.org"],
            "sender": "reviews@shop.example.org",
            "subject": "Has your order arrived?",
            "message": text,
            "html_message": html,
        }
        for number in range(count)
    )


def send() -> float:
    """Send what is queued, as the command `send_queued_mail` does, and return the seconds."""
    mail = import_module("post_office.mail")
    models = import_module("post_office.models")

    started = time.perf_counter()
    mail.send_queued_mail_until_done(processes=1)
    seconds = time.perf_counter() - started
    if models.Email.objects.exclude(status=models.STATUS.sent).exists():
        raise SystemExit("django-post_office left messages unsent")
    return seconds


if __name__ == "__main__":
    set_up()
    if sys.argv[1] == "fill":
        fill(int(sys.argv[2]), int(sys.argv[3]))
    else:
        print(send())
