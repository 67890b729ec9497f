"""browser.py CHROMIUM SITE: opens the site in headless Chromium, without a network, and looks at what it shows.

SITE is what cmake/docs.cmake made. Every page that is made of markdown and a sample of the reference are loaded; each file
of the site is read for links. Fails, naming page and place, on links and anchors that lead nowhere, pictures that are not
shown, formulas that are not rendered or not right, raw TeX, errors of scripts, and whatever is asked for from elsewhere.
"""

import html
import json
import os
import re
import subprocess
import sys
import urllib.parse

OF_REFERENCE = 12  # pages of the reference that are opened, of each kind

# Loads one page after the other into a frame, and writes what it finds there as JSON.
HARNESS = """<!DOCTYPE html><html><body><iframe id="frame" width="1200" height="900"></iframe><script>
const pages = PAGES, found = {};
function textOutsideCode(document) {
  const skip = "code, pre, script, style, .fragment, .MathJax, .MathJax_SVG, .MathJax_SVG_Display, .MathJax_Preview, " +
               ".memproto, .memname, .memItemLeft, .memItemRight, #side-nav, #MSearchResultsWindow";
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let text = "";
  while (walk.nextNode())
    if (!walk.currentNode.parentElement.closest(skip)) text += walk.currentNode.data;
  return text;
}
function hasError(node) {
  return !!node && (node.type === "merror" || (node.data || []).some(hasError));
}
function look(window) {
  const document = window.document, jax = window.MathJax ? window.MathJax.Hub.getAllJax() : [];
  const links = [...document.querySelectorAll("a[href]")].map(a => a.href);
  return {
    title: document.title,
    text: textOutsideCode(document),
    links: [...new Set(links)],
    pictures: [...document.querySelectorAll("div.contents img")].map(i => ({src: i.src, shown: i.complete && i.naturalWidth > 0})),
    formulas: document.querySelectorAll("script[type^='math/tex']").length,
    rendered: document.querySelectorAll(".MathJax_SVG svg").length,
    wrong: jax.filter(j => hasError(j.root)).map(j => j.originalText),
    navigation: document.querySelectorAll("#nav-tree-contents a").length,
    asked: window.performance.getEntriesByType("resource").map(r => r.name),
    errors: window.foundErrors || []
  };
}
function next(i) {
  if (i === pages.length) {
    const result = document.createElement("pre");
    result.id = "result";
    result.textContent = JSON.stringify(found);
    document.body.replaceChildren(result);
    return;
  }
  const frame = document.getElementById("frame");
  frame.onload = () => {
    const window = frame.contentWindow;
    const done = () => setTimeout(() => { found[pages[i]] = look(window); next(i + 1); }, 100);
    window.addEventListener("error", e => (window.foundErrors ??= []).push(e.message));
    const formulas = [...window.document.scripts].some(s => s.src.endsWith("MathJax.js"));
    let waited = 0;
    const ready = () => {
      if (!formulas) return done();
      if (window.MathJax && window.MathJax.Hub && window.MathJax.isReady) return window.MathJax.Hub.Queue(done);
      if ((waited += 50) > 30000) return done();
      setTimeout(ready, 50);
    };
    ready();
  };
  frame.src = pages[i];
}
next(0);
</script></body></html>"""


def open_pages(chromium, folder, pages):
    """What the browser finds on each page."""
    harness = os.path.join(folder, "browser_test.html")
    with open(harness, "w", encoding="utf-8") as file:
        file.write(HARNESS.replace("PAGES", json.dumps(pages)))
    command = [chromium, "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--allow-file-access-from-files",
               "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1280,1000", "--virtual-time-budget=3000000",
               "--dump-dom", "file://" + urllib.parse.quote(harness)]
    if os.getuid() == 0:
        command.insert(1, "--no-sandbox")
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    finally:
        os.remove(harness)
    result = re.search(r'<pre id="result">(.*?)</pre>', run.stdout, re.DOTALL)
    if not result:
        sys.exit(f"{chromium} did not come to the end:\n{run.stderr[-3000:]}")
    return json.loads(html.unescape(result[1]))


def anchors_of(path, known={}):
    """The anchors of a page."""
    if path not in known:
        with open(path, encoding="utf-8", errors="replace") as file:
            known[path] = set(re.findall(r'\b(?:id|name)="([^"]+)"', file.read()))
    return known[path]


def lead_nowhere(folder, page, links):
    """The links among these that lead to no file of the site, or to no anchor of it."""
    for link in links:
        link = link.removeprefix("file://" + urllib.parse.quote(folder) + "/")
        target, _, fragment = html.unescape(link).partition("#")
        if re.match(r"(https?|mailto|javascript|data):", target):
            continue
        target = urllib.parse.unquote(target.removeprefix("file://"))
        path = os.path.normpath(os.path.join(folder, target)) if target else os.path.join(folder, page)
        if not os.path.isfile(path):
            yield f"{page}: the link to {link} leads nowhere"
        elif fragment and path.endswith(".html") and urllib.parse.unquote(fragment) not in anchors_of(path):
            yield f"{page}: the link to {link} leads to no place of that page"


def main(chromium, site):
    folder = os.path.join(os.path.abspath(site), "html")
    with open(os.path.join(site, "site.json"), encoding="utf-8") as file:
        labels = json.load(file)["labels"]
    files = sorted(name for name in os.listdir(folder) if name.endswith(".html"))
    pages = [label + ".html" for label in labels.values()]
    missing = [page for page in pages if page not in files]
    errors = [f"{page} was not made" for page in missing]

    # Every file, as it lies there.
    for name in files:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            links = set(re.findall(r'\b(?:href|src)="([^"]*)"', file.read()))
        errors += lead_nowhere(folder, name, sorted(link for link in links if link))

    # The pages, as the browser shows them.
    opened = [page for page in pages if page not in missing]
    for kind in ("concept.*", "class.*", "struct.*", "namespace.*", ".*_8hpp", ".*-example", "annotated|concepts|files"):
        opened += [name for name in files if re.fullmatch(f"(?:{kind})\\.html", name) and "-members" not in name][:OF_REFERENCE]
    found = open_pages(chromium, folder, opened)
    for page in opened:
        seen = found[page]
        errors += [f"{page}: {message}" for message in seen["errors"]]
        errors += lead_nowhere(folder, page, [link for link in seen["links"] if "#" not in link or page in pages])
        errors += [f"{page}: the picture {p['src']} is not shown" for p in seen["pictures"] if not p["shown"]]
        errors += [f"{page}: a formula that MathJax refuses: {tex}" for tex in seen["wrong"]]
        errors += [f"{page}: asks for {url}" for url in seen["asked"] if not url.startswith("file:")]
        if seen["rendered"] != seen["formulas"]:
            errors.append(f"{page}: {seen['rendered']} of {seen['formulas']} formulas are rendered")
        for raw in re.findall(r"\$[^$\n]{1,80}\$|\\[()\[\]]|\\(?:frac|mathrm|sum|alpha|sigma|bar|hat|text)\b", seen["text"]):
            errors.append(f"{page}: raw TeX, {raw}")
        if not seen["navigation"]:
            errors.append(f"{page}: has no navigation")
    errors = list(dict.fromkeys(errors))
    for error in errors:
        print(error)
    formulas = sum(seen["rendered"] for seen in found.values())
    pictures = sum(len(seen["pictures"]) for seen in found.values())
    print(f"{len(files)} files, {len(opened)} pages opened, {formulas} formulas, {pictures} pictures, {len(errors)} errors in the browser")
    return bool(errors)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
