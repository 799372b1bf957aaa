"""What is for everybody, whatever they do here."""

from django.urls import URLPattern, path

from earthcode.web.site import account, dashboard, gallery, health, help, home, notifications, preferences

urlpatterns: list[URLPattern] = [
    path("", home.public_home, name="public_home"),
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
    path("help/", help.how_it_works, name="help"),
    path("accessibility/", help.accessibility, name="accessibility"),
    path("privacy/", help.privacy, name="privacy"),
    path("gallery/", gallery.gallery, name="gallery"),
    path("theme/", preferences.set_theme, name="set_theme"),
    path("shortcuts/", preferences.set_shortcuts, name="set_shortcuts"),
    path("audience/", preferences.set_audience, name="set_audience"),
    path("account/", account.account, name="account"),
    path("notifications/", notifications.messages_list, name="notifications"),
    path("notifications/read/", notifications.mark_read, name="notifications_read"),
    path("notifications/<int:pk>/", notifications.open_message, name="notification"),
    path("home/", dashboard.home, name="home"),
]
