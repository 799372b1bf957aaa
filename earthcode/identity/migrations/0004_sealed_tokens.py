from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import earthcode.lib.sealed


def end_sessions(apps: StateApps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Their tokens lie there to be read, and cannot be read as sealed ones. People sign in once more."""
    apps.get_model("identity", "SignIn").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("identity", "0003_roles_given_on_the_site")]

    operations = [
        migrations.RunPython(end_sessions, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="signin",
            name="id_token",
            field=earthcode.lib.sealed.SealedTextField(help_text="Says at sign-out which session is meant"),
        ),
        migrations.AlterField(
            model_name="signin",
            name="refresh_token",
            field=earthcode.lib.sealed.SealedTextField(blank=True, help_text="Empty where the issuer gives none"),
        ),
    ]
