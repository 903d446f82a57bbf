"""A FASTA header that tries to call home, run a script or look like a link stays text."""

import pytest

OUTSIDE = "http://tracker.example/pixel.png"
HEADERS = {
    "image": f"![x]({OUTSIDE})",
    "html": f'<img/src="{OUTSIDE}"/onerror="document.title=String(13)">',
    "link": "[x](javascript:document.title='hacked')",
    "script": "<script>document.title='hacked'</script>",
    "formula": '=HYPERLINK("http://tracker.example")',
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(HEADERS))
def test_a_hostile_header_is_shown_and_does_nothing(app, example, kind):
    header, bodies = HEADERS[kind], list(example.values())[:3]
    fasta = (
        f">{header} family={header}\n{bodies[0]}\n>b family={header}\n{bodies[1]}\n>c{header}\n{bodies[2]}1\n"
    )
    app.open()
    app.upload(f"{header[:3].strip('/<')}.fasta".replace("/", ""), fasta.encode())
    app.expect_text(r"2 proteins \(1 rejected")
    app.chart("first-look")
    for title, chart in (("Similarity", "similarity"), ("Attention", "attention"), ("Logits", "mutations")):
        app.go(title)
        app.chart(chart)
    app.go("Clusters")
    app.chart("clusters")
    assert app.page.title() not in ("hacked", "13")
    assert app.page.locator('a[href^="javascript"]').count() == 0
    assert app.page.locator('img[src*="tracker"]').count() == 0
    # `opened` also fails on any request that leaves this server.


def test_a_link_with_a_hostile_protein_is_text(app):
    app.open("similarity", protein=HEADERS["image"])
    app.expect_text("which is not among your 58 proteins")
    assert app.page.locator('img[src*="tracker"]').count() == 0
