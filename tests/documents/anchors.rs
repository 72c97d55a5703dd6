//! A link to a heading, `tour.md#the-rooms`, must lead to one.

use crate::repository::Repository;

#[test]
fn every_link_to_a_heading_leads_to_one() {
    let repository = Repository::read();
    let mut count = 0;
    for (path, text) in repository.files.iter().filter(|(path, _)| path.ends_with(".md")) {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let Some((file, anchor)) = target.split_once('#') else { continue };
            if file.contains("://") {
                continue;
            }
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let page = if file.is_empty() { path.clone() } else { below(folder, file) };
            let text = repository.files.get(&page).unwrap_or_else(|| panic!("{path}: no {page}"));
            assert!(
                anchors_in(text).contains(&anchor.to_owned()),
                "{path}: no #{anchor} in {page}"
            );
            count += 1;
        }
    }
    assert!(count >= 50, "only {count} links");
}

#[test]
fn a_heading_s_anchor_has_hyphens_for_blanks_and_no_other_signs() {
    let text = "# A `name`: what, now?\n\n```\n# no heading\n```\n\n## 3. Tiếng Việt-2\n";
    assert_eq!(anchors_in(text), ["a-name-what-now", "3-tiếng-việt-2"]);
}

/// The path from the root to `file`, as a page in `folder` names it.
fn below(folder: &str, file: &str) -> String {
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in file.split('/') {
        match step {
            ".." => _ = steps.pop(),
            step => steps.push(step),
        }
    }
    steps.join("/")
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors_in(text: &str) -> Vec<String> {
    let (mut anchors, mut in_fence) = (Vec::new(), false);
    for line in text.lines() {
        in_fence ^= line.starts_with("```");
        if line.starts_with('#') && !in_fence {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
            anchors.push(heading.chars().filter(kept).collect::<String>().replace(' ', "-"));
        }
    }
    anchors
}
