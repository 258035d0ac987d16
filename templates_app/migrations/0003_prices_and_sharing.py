from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("templates_app", "0002_template_notes"),
    ]

    operations = [
        migrations.AddField(
            model_name="template",
            name="shared",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="tier",
            name="price",
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=8, null=True),
        ),
    ]
