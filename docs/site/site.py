#!/usr/bin/env python3
"""The site's pages and headers as Doxygen 1.9.4 needs them; cmake/docs.cmake runs it.

    site.py ROOT OUT

writes into OUT/read what Doxygen reads in place of the pages and headers of ROOT (filter.sh hands it over), into OUT the
lists that cmake/docs.cmake reads, and into OUT/html the files that pages show or link to.

Pages are written for GitHub and headers for who reads the code. What Doxygen reads says in its way what is said in another
way there: formulas, anchors, links and pictures of pages; first comments, plain formulas and equations' names in headers,
and the members that mean the same in every class (members.json). Lines keep their numbers, so that a warning names the
line to mend.
"""

import html
import json
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
FENCE = re.compile(r"^\s*(```+|~~~+)")
HEADING = re.compile(r"^(#{1,6}) +(.*?)(?: +#+)?$")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\](?:\([^()]*\))?)*)\]\(([^()\s]+)\)")
EQUATION_NUMBER = re.compile(r"^(\([0-9.]+, )`([a-z0-9-]+)`\)$")
ONE = r"\w+(?:\[[^\]]*\])?(?: = [^,;()]+| = \{\}|\{\})?"
SEVERAL = re.compile(r"^(\s*)((?:inline constexpr |static constexpr |const )?[\w:]+(?:<[^;={}()]*>)?[*&]?) (" + ONE + r"(?:, \*?" + ONE +
                     r")+);\s*(?:///< (.*))?$")
FIRST_PAGES = ["docs/index.md", "docs/getting_started.md", "docs/which_method.md", "docs/concepts", "docs/training.md", "docs/densities.md",
               "docs/gpu.md", "docs/networks_from_elsewhere.md", "docs/errors.md", "docs/mathematics.md", "docs/results",
               "examples/studies"]  # the order of reading; what is not named follows
FOLDER_TITLES = {"docs/concepts": "Concepts", "docs/results": "Results", "examples/studies": "Studies"}
OF_DOXYGEN = {"annotated", "classes", "concepts", "examples", "files", "functions", "globals", "hierarchy", "modules",
              "namespaces", "pages", "search"}  # pages that Doxygen writes itself
HTML = re.compile(r"</?(?:ol|ul|li|pre)(?: start=\"\d+\")?>|&minus;")  # what `displayed` writes
SOURCES = (".cpp", ".hpp", ".cu", ".cuh")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


# --- names of pages and anchors ---------------------------------------------------------------------------------------


def page_label(path):
    """The name of a page's HTML file: docs/concepts/reward.md is concepts_reward, a README that of its folder."""
    stem = re.sub(r"\.md$", "", path)
    if stem == "README":
        return "index"
    if stem == "docs/index":
        return "documentation"
    stem = re.sub(r"^docs/|^examples/", "", stem)
    stem = re.sub(r"/README$", "", stem)
    label = re.sub(r"[^A-Za-z0-9]+", "_", stem)
    label = re.sub(r"_index$", "", label)
    return label + "_page" if label in OF_DOXYGEN else label


def slug(heading):
    """GitHub's anchor of a heading."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[`*]", "", text).strip().lower()
    return re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", text))


def anchor(label, fragment):
    """The site's name of a page's anchor; an equation's is the same on every page."""
    return fragment if fragment.startswith("eq-") else label + "--" + fragment


def doxygen_name(path):
    """The name that Doxygen makes of an example's path."""
    escapes = {".": "_8", "/": "_2", ":": "_1", " ": "_01", "+": "_09"}
    return "".join(escapes.get(c, c) for c in path)


def without_code(text):
    """The lines of a page outside of fenced code; those inside are empty."""
    lines, fence = [], None
    for line in text.split("\n"):
        mark = FENCE.match(line)
        if fence is None and mark:
            fence = mark[1]
        elif fence is not None:
            if mark and mark[1].startswith(fence):
                fence = None
        else:
            lines.append(line)
            continue
        lines.append("")
    return lines


def title_of(text):
    """The first heading of a page, in plain words."""
    for line in without_code(text):
        heading = HEADING.match(line)
        if heading:
            return re.sub(r"[`*]", "", re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading[2]))
    return ""


def links_of(root, path):
    """The files of the project that a page links to, and the pictures it shows."""
    text = "\n".join(without_code(read(os.path.join(root, path))))
    text = CODE_SPAN.sub(lambda span: re.sub(r"\S", "x", span[0]) if "](" in span[0] else span[0], text)
    targets = [link[3] for link in LINK.finditer(text)]
    targets += re.findall(r"<(?:img|a)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"", text)
    for target in targets:
        target = target.split("#")[0]
        if target and not re.match(r"[a-z]+:", target):
            yield os.path.normpath(os.path.join(os.path.dirname(path), target))


# --- what the site is made of ----------------------------------------------------------------------------------------------------------


def pages_of(root):
    """The site's pages in the order of reading: README, docs/, the studies, and the pages that those link to."""
    found = []
    for folder, folders, files in os.walk(os.path.join(root, "docs")):
        folders.sort()
        found += [os.path.relpath(os.path.join(folder, file), root) for file in sorted(files) if file.endswith(".md")]
    studies = os.path.join(root, "examples", "studies")
    if os.path.isdir(studies):
        found += [f"examples/studies/{name}/README.md" for name in sorted(os.listdir(studies))
                  if os.path.exists(os.path.join(studies, name, "README.md"))]

    def place(path):
        for i, first in enumerate(FIRST_PAGES):
            if path == first or path.startswith(first + "/") or path == first + ".md":
                return i, not path.endswith(("README.md", "index.md")) and path != first + ".md", path
        return len(FIRST_PAGES), 0, path

    pages = ["README.md"] + sorted(found, key=place)
    for path in pages:  # which grows
        for target in links_of(root, path):
            if os.path.isdir(os.path.join(root, target)):
                target += "/README.md"
            if target.endswith(".md") and target not in pages and os.path.exists(os.path.join(root, target)):
                pages.append(target)
    return ["README.md"] + sorted(pages[1:], key=place)


def headers_of(root):
    """The public headers."""
    for folder, folders, files in os.walk(os.path.join(root, "include", "diamond")):
        folders[:] = sorted(set(folders) - {"detail"})
        for file in sorted(files):
            if file.endswith((".hpp", ".cuh")):
                yield os.path.relpath(os.path.join(folder, file), root)


def public_names(root):
    """The types and concepts at namespace level in the headers: plain name to qualified name."""
    names = {}
    for path in headers_of(root):
        space = []
        for line in read(os.path.join(root, path)).split("\n"):
            opened = re.match(r"(?:inline )?namespace ([\w:]+) \{$", line)
            if opened:
                space.append(opened[1])
            elif line.startswith("} // namespace") and space:
                space.pop()
            declared = re.match(r"concept (\w+) =", line) or \
                re.match(r"(?:class|struct) (\w+)(?! *;)\b(?!.*[^{};]*;$|<)", line)
            if declared and space and "detail" not in "::".join(space):
                qualified = "::".join(space + [declared[1]])
                if names.setdefault(declared[1], qualified) != qualified:
                    names[declared[1]] = ""  # more than one: no link
    return {name: qualified for name, qualified in names.items() if qualified}


def anchors_of(text):
    """The places of a page that links may name, as GitHub knows them."""
    slugs = {}
    for line in without_code(text):
        heading = HEADING.match(line)
        if heading:
            name = slug(heading[2])
            slugs[name] = slugs.get(name, -1) + 1
            if slugs[name]:
                slugs[f"{name}-{slugs[name]}"] = 0
    return set(slugs) | set(re.findall(r'<a id="([^"]+)"></a>', text))


def lost_links(root, texts):
    """The links of pages to files of the project that are not there, and to places that a page does not have."""
    anchors = {path: anchors_of(text) for path, text in texts.items()}
    for path, text in texts.items():
        for i, line in enumerate(without_code(text)):
            line = CODE_SPAN.sub("", line)
            for target in [link[3] for link in LINK.finditer(line)] + re.findall(r'(?:src|href)="([^"]+)"', line):
                if re.match(r"[a-z]+:", target):
                    continue
                file, _, fragment = target.partition("#")
                place = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
                if not os.path.exists(os.path.join(root, place)):
                    yield f"{path}:{i + 1}: warning: the link to {target} leads to no file."
                elif fragment and fragment not in anchors.get(place, {fragment}):
                    yield f"{path}:{i + 1}: warning: the link to {target} leads to no place of that page."


def bare_types(root):
    """The public concepts and empty types without docstring, of which Doxygen 1.9.4 does not warn."""
    for path in headers_of(root):
        lines, inner = read(os.path.join(root, path)).split("\n"), False
        for i, line in enumerate(lines):
            if re.match(r"namespace ([\w:]*::)?detail\b", line):
                inner = True
            elif re.match(r"\} // namespace ([\w:]*::)?detail", line):
                inner = False
            declared = re.match(r"(concept) (\w+) =|(?:struct|class) (\w+)(?: : [^;]*)? \{\};", line)
            above = i
            while above > 0 and re.match(r"\s*(template <|requires\b)", lines[above - 1]):
                above -= 1
            if declared and not inner and not (above > 0 and lines[above - 1].startswith("///")):
                kind, name = ("concept", declared[2]) if declared[1] else ("type", declared[3])
                yield f"{path}:{i + 1}: warning: {kind} {name} is not documented."


def tabs_of(pages, titles):
    """The tabs of the navigation: a page each, and a group for each folder that has a title."""
    lines, open_folder = [], None
    for path in pages[1:]:
        folder = next((f for f in FOLDER_TITLES if path.startswith(f + "/") or path == f + ".md"), None)
        if folder != open_folder:
            if open_folder:
                lines.append("    </tab>")
            if folder:
                first = page_label(path) + ".html"
                lines.append(f'    <tab type="usergroup" url="{first}" title="{FOLDER_TITLES[folder]}" intro="">')
            open_folder = folder
        title = titles[path].partition(": ")[0] if folder else titles[path]
        title = html.escape(title, quote=True)
        lines.append(f'    {"  " if folder else ""}<tab type="user" url="{page_label(path)}.html" title="{title}"/>')
    if open_folder:
        lines.append("    </tab>")
    return "\n".join(lines)


def prepare(root, out):
    """Writes everything into out."""
    pages = pages_of(root)
    texts = {path: read(os.path.join(root, path)) for path in pages}
    titles = {path: title_of(text) or path for path, text in texts.items()}
    for path, text in texts.items():
        if not title_of(text):
            sys.exit(f"{path}:1: a page begins with a heading, `# Title`")
    sources, files = [], []
    for path in pages:
        for target in links_of(root, path):
            if os.path.isfile(os.path.join(root, target)) and not target.startswith("include/"):
                kind = sources if target.endswith(SOURCES) else files
                if target not in kind and target not in pages:
                    kind.append(target)
    equations = re.findall(r'<a id="(eq-[^"]+)"></a>', texts.get("docs/mathematics.md", ""))
    labels = {path: page_label(path) for path in pages}
    site = {"root": root, "pages": pages, "labels": labels, "titles": titles, "names": public_names(root), "sources": sources,
            "files": files, "equations": equations, "members": json.loads(read(os.path.join(HERE, "members.json")))}
    write(os.path.join(out, "site.json"), json.dumps(site, indent=1))
    write(os.path.join(out, "layout.xml"),
          read(os.path.join(HERE, "layout.xml.in")).replace("@pages@", tabs_of(pages, titles)))
    write(os.path.join(out, "examples.dox"),
          "".join(f"/** @example {path} */\n" for path in sources))
    for path in files:
        copy = os.path.join(out, "html", "files", path)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(os.path.join(root, path), copy)
    write(os.path.join(out, "notes.txt"), "".join(line + "\n" for line in [*lost_links(root, texts), *bare_types(root)]))
    for path in pages:
        write(os.path.join(out, "read", path), page_filter(site, path).run(texts[path]))
    for path in headers_of(root):
        write(os.path.join(out, "read", path), header_filter(site, path, read(os.path.join(root, path))))
    write(os.path.join(out, "input.cmake"),
          "set(pages " + " ".join(f'"{root}/{path}"' for path in pages) + ")\n")


# --- pages ----------------------------------------------------------------------------------------------------


class page_filter:
    """A page as Doxygen reads it."""

    def __init__(self, site, path):
        self.site, self.path, self.label = site, path, page_label(path)
        self.slugs = {}
        self.level = 0

    def href(self, target):
        """Where a link of the page leads in the site; None where it leads nowhere there."""
        if re.match(r"[a-z]+:", target):
            return target
        target, _, fragment = target.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(self.path), target)) if target else self.path
        if os.path.isdir(os.path.join(self.site["root"], path)) and path + "/README.md" in self.site["pages"]:
            path += "/README.md"
        if path in self.site["pages"]:
            label = page_label(path)
            place = "#" + anchor(label, fragment) if fragment else ""
            return place if path == self.path and place else label + ".html" + place
        if path in self.site["sources"]:
            return doxygen_name(path) + "-example.html"
        if path in self.site["files"]:
            return "files/" + path
        return None

    def link(self, picture, words, target):
        """A link or a picture; `words` are finished text."""
        href = self.href(target)
        if picture:
            return f'<img src="{href or target}" alt="{html.escape(re.sub("[`*]", "", words), quote=True)}"/>'
        if href is not None:
            return f'<a href="{href}">{words}</a>'
        path = os.path.normpath(os.path.join(os.path.dirname(self.path), target.split("#")[0]))
        if path.startswith("include/diamond/") and path.endswith(SOURCES):
            return f'@ref {path} "{re.sub("[`*]", "", words)}"'
        return words

    def code(self, code):
        """A code span that is the name of a public type or concept, as a link to it; None for any other."""
        names = self.site["names"]
        name = code[len("diamond::"):] if code.startswith("diamond::") else code
        qualified = names.get(name) or ("diamond::" + name if "diamond::" + name in names.values() else None)
        return f'<code>@ref {qualified} "{code}"</code>' if qualified else None

    def text(self, text, links=True):
        """What stands outside of fenced code: code spans and formulas are kept from everything else."""
        kept = []  # pairs: as it stands in running text, and as it stands within a link

        def keep(what, within_link=None):
            kept.append((what, what if within_link is None else within_link))
            return f"\0{len(kept) - 1}\0"

        def restored(text, form):
            while "\0" in text:
                text = re.sub("\0(\\d+)\0", lambda m: kept[int(m[1])][form], text)
            return text

        def span(match):
            ticks, code, behind = match.groups()
            linked = self.code(code) if links and len(ticks) == 1 else None
            # A single quote would end a span of single backticks, and a sign after a line break begin a list.
            lines = re.findall(r"\n[ ]*", code)
            code = re.sub(r"\n[ ]*", " ", code)
            wide = f"``{code}``" if len(ticks) == 1 else ticks + code + ticks
            return keep(linked or wide, wide) + behind + "".join(lines)

        text = re.sub(CODE_SPAN.pattern + r"([.,;:!?)]*)", span, text, flags=re.DOTALL)
        text = re.sub(r"<!--.*?-->", lambda m: keep(re.sub(r"[^\n]", "", m[0])), text, flags=re.DOTALL)
        text = re.sub(r"(?<![\\$])\$\$(.+?)\$\$", lambda m: keep(r"\f[" + m[1] + r"\f]"), text, flags=re.DOTALL)
        text = re.sub(r"(?<![\\$\w])\$(?=[^\s$])([^$]*?[^\s$\\]|[^\s$\\])\$(?![\w$])", lambda m: keep(rf"\f${m[1]}\f$"),
                      text, flags=re.DOTALL)
        text = re.sub(r'<a id="([^"]+)"></a>', lambda m: keep(f"@anchor {anchor(self.label, m[1])} "), text)
        text = re.sub(r'(<(?:img|a)\b[^>]*?\b(?:src|href)=")([^"]+)"',
                      lambda m: keep(f'{m[1]}{self.href(m[2]) or m[2]}"'), text)
        if links:
            text = LINK.sub(lambda m: keep(self.link(m[1], restored(self.plain(m[2]), 1), m[3])), text)
        return restored(self.plain(text), 0)

    @staticmethod
    def plain(text):
        """Signs that Doxygen and not GitHub would take for commands."""
        text = re.sub(r"\\\$", "$", text)
        text = re.sub(r"(?<![\w\\])([@\\])(?=[a-z{}])", r"\\\1", text)
        return re.sub(r"(?<![\w\\])#(?=\w)", r"\\#", text)

    def heading(self, marks, title, first):
        """A heading with its label, not more than a level below the one before."""
        level = 1 if first else max(2, min(len(marks), self.level + 1))
        self.level, marks = level, "#" * level
        name = slug(title)
        count = self.slugs.get(name, 0)
        self.slugs[name] = count + 1
        label = anchor(self.label, name if not count else f"{name}-{count}")
        if first:
            label = self.label if self.label != "index" else "mainpage"
            return f"{marks} {self.text(title, links=False)} {{#{label}}}"
        if self.label == "index":  # whose sections would stand among the pages in the navigation
            return f"{marks} @anchor {label} {self.text(title, links=False)}"
        return f"{marks} {self.text(title, links=False)} {{#{label}}}"

    def run(self, text):
        """The whole page."""
        out, paragraph, fence, first = [], [], None, True
        blank, in_list, indented = True, False, False  # of the line before

        def flush():
            if paragraph:
                out.extend(self.text("\n".join(paragraph)).split("\n"))
                paragraph.clear()

        lines = text.split("\n")
        for i, line in enumerate(lines):
            mark = FENCE.match(line)
            if fence is None and mark:
                flush()
                fence = mark[1]
                out.append(re.sub(r"^(\s*(?:```+|~~~+))\s*(\w*).*$", self.opening, line))
            elif fence is not None:
                out.append(line)
                if mark and mark[1].startswith(fence):
                    fence = None
            elif line.startswith("    ") and line.strip() and (indented or blank and not in_list):
                flush()
                if not indented:  # the fence takes the places of the blank lines around
                    out[-1] = "~~~{.unparsed}"
                out.append(line[4:])
                indented = True
                continue
            elif indented and not line.strip() and i + 1 < len(lines) and lines[i + 1].startswith("    "):
                out.append("")
            elif indented:
                out.append("~~~")
                indented = False
                if line.strip():
                    paragraph.append(line)
            elif HEADING.match(line):
                flush()
                marks, title = HEADING.match(line).groups()
                out.append(self.heading(marks, title, first))
                first = False
            elif EQUATION_NUMBER.match(line):
                flush()
                out.append('<div class="equation">{}<code>{}</code>)</div>'.format(*EQUATION_NUMBER.match(line).groups()))
            else:
                paragraph.append(line)
            blank = not line.strip()
            if not blank:
                in_list = bool(re.match(r"\s*([-*+]|\d+[.)]) ", line)) or in_list and line.startswith(" ")
        flush()
        return "\n".join(out)

    @staticmethod
    def opening(match):
        """The first line of fenced code, in a language that Doxygen knows."""
        language = {"cpp": ".cpp", "c++": ".cpp", "cuda": ".cpp", "cu": ".cpp", "python": ".py", "py": ".py"}
        kind = language.get(match[2].lower(), ".unparsed")
        return f"{match[1]}{{{kind}}}"


# --- headers --------------------------------------------------------------------------------------------------


def comment_text(text, site):
    """A line of a documentation comment: plain formulas are no HTML, and an equation's name is a link."""
    pieces, at = [], 0
    for span in re.finditer(CODE_SPAN.pattern + "|" + HTML.pattern, text):
        pieces += [(text[at:span.start()], True), (span[0], False)]
        at = span.end()
    pieces.append((text[at:], True))

    def plain(piece):
        piece = re.sub(r"(?<!\\)([<>#%&])", r"\\\1", piece)
        piece = re.sub(r"\\(?![<>#%&@\\])", r"\\\\", piece)

        def equation(match):
            name = match[1]
            if "eq-" + name in site["equations"]:
                return f'(<a href="mathematics.html#eq-{name}">{name}</a>'
            return match[0]

        return re.sub(r"\(eq\. ([a-z0-9-]+)", equation, piece)

    return "".join(plain(piece) if outside else piece for piece, outside in pieces)


def displayed(lines):
    """Lists and indented lines of comments in HTML: plain ones would take in what follows, and count from 1."""
    out, end = [], ""  # end: what closes the list or the display that is open
    for i, line in enumerate(lines):
        comment = re.match(r"^(\s*)///(?!<)( *)(.*)$", line)
        if not comment:
            if end:
                out[-1] += end
                end = ""
            out.append(line)
            continue
        indent, space, said = comment.groups()
        item = re.match(r"(?:(\d+)\.|[-+*]) +(.*)$", said)
        if item and not (len(space) > 1 or out and re.match(r"^\s*///\s*$", out[-1])):
            item = None  # a wrapped line
        if not said:
            following = re.match(r"^\s*///( *)(\S.*)$", lines[i + 1]) if i + 1 < len(lines) else None
            if end and not (following and len(following[1]) > 1):
                line, end = f"{indent}/// {end.strip()}", ""
        elif item and end != "</pre>":
            kind = f'<ol start="{item[1]}">' if item[1] else "<ul>"
            closing = "</li></ol>" if item[1] else "</li></ul>"
            line = f"{indent}/// " + ("</li><li>" if end == closing else end + kind + "<li>") + item[2]
            end = closing
        elif len(space) > 2 and not end:
            line, end = f"{indent}/// <pre>{space[1:]}{said}", "</pre>"
        elif end and len(space) < 2:
            line, end = f"{indent}/// {end}{said}", ""
        elif end == "</pre>" and said.startswith("- "):
            line = f"{indent}///{space}&minus; {said[2:]}"  # no list
        out.append(line)
    if end:
        out[-1] += end
    return out


def header_filter(site, path, text):
    """A header as Doxygen reads it."""
    lines = text.split("\n")

    # The first comment is the file's, wherever it stands: it takes the line of `#pragma once`.
    if lines[0].startswith("///") and "@file" not in lines[0] and "#pragma once" in lines:
        lines.remove("#pragma once")
        lines.insert(0, "/// @file")

    # Overloads that exist to refuse a call by a sentence are no part of the reference.
    for i, line in enumerate(lines):
        if "static_assert(diagnose_driver_call" in line:
            begin = i
            while begin > 0 and not re.match(r"\s*template <", lines[begin]):
                begin -= 1
            indent = re.match(r"\s*", lines[begin])[0]
            end = i
            while end < len(lines) - 1 and lines[end] != indent + "}":
                end += 1
            lines[begin] = "/** @cond */ " + lines[begin]
            lines[end] += " /** @endcond */"

    # What is private or protected is no part of the reference, and no link leads to it.
    hidden = None  # the indentation of the access specifier
    for i, line in enumerate(lines):
        access = re.match(r"(\s*)(private|public|protected):", line)
        if access and hidden is None and access[2] != "public":
            hidden = access[1]
            lines[i] += " /** @cond */"
        elif hidden is not None and (access and access[1] == hidden and access[2] == "public" or line == hidden + "};"):
            lines[i] = hidden + "/** @endcond */ " + line.lstrip()
            hidden = None

    # The requirements of a concept stand in the first comment of its header; its own page has them, too.
    if path.startswith("include/diamond/concepts/"):
        for i, line in enumerate(lines):
            if re.match(r"concept \w+ =", line) and i > 1 and lines[i - 2].startswith("///"):
                lines[i - 1] = f"/** @copydetails {path[len('include/'):]} */ " + lines[i - 1]

    # Members that mean the same everywhere have one docstring, in members.json.
    for member in site["members"]:
        pattern = re.compile(member["line"])
        if "file" in member and not re.fullmatch(member["file"], path):
            continue
        for i, line in enumerate(lines):
            if not pattern.match(line) or "///<" in line:
                continue
            head = i
            while head > 0 and re.match(r"\s*(template <|requires\b)", lines[head - 1]):
                head -= 1
            if head > 0 and re.match(r"\s*///(?!<)", lines[head - 1]) or lines[head].lstrip().startswith("/**"):
                continue
            indent = re.match(r"\s*", lines[head])[0]
            lines[head] = f"{indent}/** {member['says']} */ {lines[head][len(indent):]}"

    # Doxygen gives the docstring of `double a, b;` to one of the two.
    for i, line in enumerate(lines):
        if re.match(r"inline constexpr [\w:]+ \w+ = [^;(]*,$", line):
            end = next(k for k in range(i, len(lines)) if lines[k].endswith(";"))
            line = " ".join([line] + [rest.strip() for rest in lines[i + 1:end + 1]])
            lines[i:end + 1] = [line] + [""] * (end - i)
        several = SEVERAL.match(line)
        if several:
            indent, kind, declared, behind = several.groups()
            says, head = behind, i
            while head > 0 and re.match(r"\s*///(?!<)", lines[head - 1]):
                head -= 1
            if not says:
                says = " ".join(re.sub(r"^\s*/// ?", "", above) for above in lines[head:i])
            if says:
                says = comment_text(says.replace("*/", "* /"), site)
                first = "" if head < i else f"/** {says} */ "
                names = re.split(r",\s*(?![^{]*\})", declared)
                lines[i] = indent + first + f"{kind} {names[0]};" + \
                    "".join(f" /** {says} */ {kind} {name};" for name in names[1:])

    lines = displayed([re.sub(r"@throws (the|an|a|what|whatever|as) ", r"Throws \1 ", line) for line in lines])
    out = []
    for i, line in enumerate(lines):
        comment = re.match(r"^(.*?)(///<? ?)(.*)$", line)
        if comment and '"' not in comment[1]:
            said = comment[3]
            above = re.match(r"^\s*/// ?(.*)$", out[-1]) if out else None
            # A wrapped line that begins with a sign, or with a number and a stop, is no list.
            if above and re.match(r"[-+*] |\d+\. ", said) and above[1].strip() and above[1].rstrip()[-1] not in ":;.":
                head, _, last = out[-1].rstrip().rpartition(" ")
                out[-1], said = head, last + " " + comment_text(said, site)
            else:
                said = comment_text(said, site)
            line = comment[1] + comment[2] + said
        out.append(line)
    return "\n".join(out)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    prepare(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
