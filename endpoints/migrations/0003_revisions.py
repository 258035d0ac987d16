import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def write_down(apps, schema_editor):
    """What runs becomes each endpoint's revision; its volume keeps its name in the engine."""
    Endpoint = apps.get_model("endpoints", "Endpoint")
    Revision = apps.get_model("endpoints", "Revision")
    Volume = apps.get_model("endpoints", "Volume")
    for endpoint in Endpoint.objects.all():
        volume = endpoint.spec.get("volume")
        if volume:
            label = volume["name"]
            old = f"alight-{settings.ALIGHT_INSTALLATION}-{endpoint.owner_id}.{endpoint.name}.{label}"
            name = label
            tries = 0
            while Volume.objects.filter(owner_id=endpoint.owner_id, name=name).exists():
                tries += 1
                mark = f"-{tries}" if tries > 1 else ""
                name = f"{endpoint.name[:39 - len(label) - len(mark)]}-{label}"[:40 - len(mark)] + mark
            Volume.objects.create(owner_id=endpoint.owner_id, name=name, engine_name=old)
            endpoint.spec = {**endpoint.spec, "volume": {**volume, "name": name}}
            endpoint.save(update_fields=["spec"])
        Revision.objects.create(
            endpoint=endpoint,
            number=endpoint.revision,
            spec=endpoint.spec,
            tier_id=endpoint.tier_id,
            settled_at=django.utils.timezone.now() if endpoint.ready_count else None,
        )


class Migration(migrations.Migration):

    dependencies = [
        ("endpoints", "0002_display_name"),
        ("templates_app", "0003_prices_and_sharing"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RenameField("endpoint", "generation", "revision"),
        migrations.RenameField("endpoint", "observed_generation", "observed_revision"),
        migrations.CreateModel(
            name='RegistryCredential',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=40)),
                ('registry', models.CharField(max_length=255)),
                ('username', models.CharField(max_length=255)),
                ('sealed', models.TextField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('checked_at', models.DateTimeField(blank=True, null=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['key'],
                'constraints': [models.UniqueConstraint(fields=('owner', 'key'), name='registry_credential_key_once')],
            },
        ),
        migrations.CreateModel(
            name='Revision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('spec', models.JSONField()),
                ('actor', models.CharField(blank=True, max_length=150)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('settled_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('failed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('why', models.TextField(blank=True, editable=False)),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='revisions', to='endpoints.endpoint')),
                ('tier', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='templates_app.tier')),
            ],
            options={
                'ordering': ['-number'],
                'constraints': [models.UniqueConstraint(fields=('endpoint', 'number'), name='revision_number_once')],
            },
        ),
        migrations.CreateModel(
            name='Secret',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=100)),
                ('sealed', models.TextField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['key'],
                'constraints': [models.UniqueConstraint(fields=('owner', 'key'), name='secret_key_once')],
            },
        ),
        migrations.CreateModel(
            name='Volume',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40)),
                ('engine_name', models.CharField(max_length=255, unique=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('size_bytes', models.PositiveBigIntegerField(blank=True, null=True)),
                ('measured_at', models.DateTimeField(blank=True, null=True)),
                ('deleting', models.BooleanField(default=False)),
                ('trouble', models.TextField(blank=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(fields=('owner', 'name'), name='volume_name_once')],
            },
        ),
        migrations.RunPython(write_down, migrations.RunPython.noop),
    ]
