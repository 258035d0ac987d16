import django.db.models.deletion
from django.db import migrations, models


def point(apps, schema_editor):
    """Each replica at the revision its endpoint has; who runs an older one is replaced."""
    Replica = apps.get_model("replicas", "Replica")
    Revision = apps.get_model("endpoints", "Revision")
    current = {r.endpoint_id: r for r in Revision.objects.all()}
    for replica in Replica.objects.all():
        replica.revision = current[replica.endpoint_id]
        if replica.generation != replica.revision.number:
            replica.retire = True
        replica.save(update_fields=["revision", "retire"])


class Migration(migrations.Migration):

    dependencies = [
        ("endpoints", "0003_revisions"),
        ("replicas", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="replica",
            name="revision",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="replicas",
                to="endpoints.revision",
            ),
        ),
        migrations.RunPython(point, migrations.RunPython.noop),
        migrations.RemoveField(model_name="replica", name="generation"),
        migrations.AlterField(
            model_name="replica",
            name="revision",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="replicas",
                to="endpoints.revision",
            ),
        ),
    ]
