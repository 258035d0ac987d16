"""As in endpoints/0006: what was never said is the usual number from now on."""

from django.db import migrations, models


def usual(apps, schema_editor):
    Template = apps.get_model("templates_app", "Template")
    Template.objects.filter(concurrency=1).update(concurrency=16)


class Migration(migrations.Migration):
    dependencies = [("templates_app", "0004_tier_edited")]

    operations = [
        migrations.AlterField(
            model_name="template",
            name="concurrency",
            field=models.PositiveSmallIntegerField(default=16),
        ),
        migrations.RunPython(usual, migrations.RunPython.noop),
    ]
