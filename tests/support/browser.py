"""What every page that a browser visits must hold to."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page

#: What axe looks for. ``preload`` would have it fetch the stylesheet's imports itself and put them into the page, which the
#: CSP forbids.
AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "preload": False,
}


class Visitor:
    """Looks over the shoulder of a page: accessibility where asked, and what the console complained of meanwhile."""

    def __init__(self, page: Page, *, of: str, scripted: bool = True) -> None:
        self.page = page
        self.site = of
        #: axe cannot run where scripts are switched off; the same pages are looked at with scripts elsewhere.
        self.scripted = scripted
        self.complaints: list[str] = []
        self.seen: list[str] = []
        page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        # The other servers of the journey have pages of their own; ours must be silent.
        if message.type in ("error", "warning") and self.page.url.startswith(self.site):
            self.complaints.append(f"{self.page.url}: {message.text}")

    def check(self) -> None:
        """No accessibility violation, no sideways scroll, a title and one main heading."""
        page = self.page
        assert page.url.startswith(self.site), page.url
        if self.scripted:
            report = Axe().run(page, options=AXE)
            assert report.violations_count == 0, f"{page.url}\n{report.generate_report()}"
        wide, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= window, f"{page.url} scrolls sideways: {wide} in {window}"
        assert page.locator("h1").count() == 1, page.url
        self.seen.append(page.url)
