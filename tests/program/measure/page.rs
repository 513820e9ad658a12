//! The page as a browser gets it: whole, and without anything from elsewhere.

use std::process::Command;

use super::dialogue::{Course, S, Session};
use super::files::{Order, pcap_header, pcap_record};
use super::{report, write};
use crate::common::{has, skip};

/// The page of a session in a file of a name that is markup.
fn page(folder: &std::path::Path) -> String {
    let session = Session::new(400, Course::Rough);
    let mut file = pcap_header(Order::Little, true, 1);
    for passed in &session.frames {
        let ns = passed.ps / 1_000;
        let s = S + (ns / 1_000_000_000) as u32;
        file.extend(pcap_record(Order::Little, s, (ns % 1_000_000_000) as u32, &passed.bytes));
    }
    let capture = write(folder, "<b>&\"day\".pcap", &file);
    let path = folder.join("report.html");
    report(&[capture.to_str().unwrap(), "--html", path.to_str().unwrap()]);
    // The folder's name is anybody's guess.
    std::fs::read_to_string(path).unwrap().replace(folder.to_str().unwrap(), "")
}

#[test]
fn the_page_is_whole_and_needs_nothing_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let page = page(folder.path());
    for foreign in ["http", "<script", "src=", "href=", "url(", "@import", "<b>"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    for part in [
        "prefers-color-scheme: dark",
        "&lt;b&gt;&amp;&quot;day&quot;.pcap",
        "<th>p99.99</th>",
        "<h2>1 order to answer</h2>",
        "<h2>2 trigger to order</h2>",
        "<h2>Hop by hop</h2>",
        "<code>several_messages_acknowledged</code>",
        "noise floor",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"), "a number that is none");
    // Of each of the two: a percentile curve, a histogram, three lines over time; and the medians of both.
    assert_eq!(page.matches("<svg").count(), 7);
    assert_eq!(page.matches("<polyline").count(), 8);
    assert!(page.matches("class=\"bar\"").count() > 20);
    // What is opened is closed.
    let mut open: Vec<&str> = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("{piece}"));
        let name = tag.split_whitespace().next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !matches!(name, "!doctype" | "meta") && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_browser_draws_the_page() {
    const NAME: &str = "measure::a_browser_draws_the_page";
    let browsers = ["chromium", "chromium-browser", "google-chrome", "headless_shell"];
    let Some(browser) = browsers.into_iter().find(|name| has(name)) else {
        return skip(NAME, "chromium is not installed (apt-get install chromium)");
    };
    let folder = tempfile::tempdir().unwrap();
    page(folder.path());
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=5000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", folder.path().join("report.html").display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // As it was parsed, not as it was written.
    assert_eq!(dom.matches("<svg").count(), 7, "{dom}");
    assert_eq!(dom.matches("</polyline>").count(), 8);
    assert!(dom.contains("<title>fixwire measure capture</title>") && dom.contains("</main>"));
}
