//! The pictures of the states, read back as the arrows that they draw.

/// The arrows of the picture as `From VERB To`: each has that title, the verb as its label, and a
/// path that begins at the one state's box and ends at the other's.
pub fn arrows_in(picture: &str) -> Vec<String> {
    let between = |text: &str, start: &str, end: &str| {
        let after = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
        after.split_once(end).unwrap().0.to_owned()
    };
    let number = |text: &str, name: &str| -> f64 {
        between(text, &format!(" {name}=\""), "\"").parse().unwrap()
    };
    let touches_box = |state: &str, x: f64, y: f64| {
        let group = between(picture, &format!("<g id=\"{state}\">"), "</g>");
        assert!(group.contains(&format!(">{state}</text>")), "the box {state} says so");
        let (left, top) = (number(&group, "x"), number(&group, "y"));
        let (right, bottom) = (left + number(&group, "width"), top + number(&group, "height"));
        (left..=right).contains(&x) && (top..=bottom).contains(&y)
    };
    let groups = picture.split("<g class=\"arrow\">").skip(1);
    groups
        .map(|group| {
            let title = between(group, "<title>", "</title>");
            let [from, verb, to] = title.split(' ').collect::<Vec<_>>()[..] else {
                panic!("a title of three words: {title}");
            };
            assert_eq!(between(group, "<text ", "</text>").split('>').next_back(), Some(verb));
            let path = between(group, " d=\"", "\"");
            let points: Vec<f64> = path.split(' ').filter_map(|p| p.parse().ok()).collect();
            assert!(touches_box(from, points[0], points[1]), "the beginning of {title}");
            let [.., x, y] = points[..] else { panic!("a path: {path}") };
            assert!(touches_box(to, x, y), "the end of {title}");
            title
        })
        .collect()
}
