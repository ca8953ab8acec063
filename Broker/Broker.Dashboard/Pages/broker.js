// Added to the script of Hangfire. The pages work without it; with it they stay up to date.
(function () {
    "use strict";

    var interval = 2000;

    // Fetches a part of the page again and again, as long as somebody can see it.
    function keepLive(part) {
        var content = part.querySelector(".js-live-content");
        var stale = part.querySelector(".b-stale");
        var shown = content.innerHTML;
        var failures = 0;

        function again() {
            window.setTimeout(refresh, interval);
        }

        function refresh() {
            if (document.hidden) {
                again();
                return;
            }
            fetch(part.dataset.live, { headers: { "Accept": "application/json" }, credentials: "same-origin" })
                .then(function (answer) {
                    if (!answer.ok) {
                        throw new Error(answer.statusText);
                    }
                    return answer.json();
                })
                .then(function (answer) {
                    failures = 0;
                    stale.hidden = true;
                    // Encoded by the server. What is the same is left alone, and so is where the keyboard is.
                    if (answer.html !== shown) {
                        show(answer.html);
                    }
                })
                .catch(function () {
                    failures++;
                    stale.hidden = failures < 3;
                })
                .then(again);
        }

        function show(html) {
            // The same link may stand somewhere else now, and its number may be another.
            var focused = content.contains(document.activeElement) ? document.activeElement : null;
            content.innerHTML = html;
            shown = html;
            if (!focused) {
                return;
            }
            var links = Array.prototype.filter.call(content.querySelectorAll("a"), function (link) { return link.getAttribute("href") === focused.getAttribute("href"); });
            var same = links.filter(function (link) { return link.textContent === focused.textContent; });
            if (links.length > 0) {
                (same[0] || links[links.length - 1]).focus({ preventScroll: true });
            }
        }

        again();
    }

    // One box chooses all letters of the page.
    function chooseAll(form) {
        var all = form.querySelector(".js-all");
        var boxes = Array.prototype.slice.call(form.querySelectorAll("input[name=id]"));
        if (!all) {
            return;
        }
        all.hidden = false;
        all.addEventListener("change", function () {
            boxes.forEach(function (box) { box.checked = all.checked; });
        });
        form.addEventListener("change", function () {
            var chosen = boxes.filter(function (box) { return box.checked; }).length;
            all.checked = chosen === boxes.length;
            all.indeterminate = chosen > 0 && chosen < boxes.length;
        });
    }

    document.addEventListener("DOMContentLoaded", function () {
        document.querySelectorAll(".js-live").forEach(keepLive);
        document.querySelectorAll(".js-letters").forEach(chooseAll);
    });
})();
