"""“Requests per replica” is a limit from now on.

It was kept and not used, and 1 where nobody had said anything. One request at a time is
too few for a page with its pictures and sockets, so those get the usual number.
"""

from django.db import migrations, models


def usual(apps, schema_editor):
    Endpoint = apps.get_model("endpoints", "Endpoint")
    Endpoint.objects.filter(concurrency=1).update(concurrency=16)


class Migration(migrations.Migration):
    dependencies = [("endpoints", "0005_traffic")]

    operations = [
        migrations.AlterField(
            model_name="endpoint",
            name="concurrency",
            field=models.PositiveSmallIntegerField(default=16),
        ),
        migrations.RunPython(usual, migrations.RunPython.noop),
    ]
