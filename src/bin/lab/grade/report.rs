//! What a teacher reads: a table for a spreadsheet, and a page for each student.

use crate::mark::Row;

/// The first line of the table. A spreadsheet takes UTF-8 for what it is if there is a byte order mark.
pub const HEAD: &str = "\u{feff}student,part,conversation,marks,mistake\n";

/// The lines of the table for one student.
pub fn csv(student: &str, rows: &[Row]) -> String {
    let line = |row: &Row| {
        let marks = row.marks.to_string();
        let fields = [student, row.part, &row.title, &marks, &row.mistake].map(field);
        format!("{}\n", fields.join(","))
    };
    rows.iter().map(line).collect()
}

/// A field of the table. A spreadsheet would take what begins with these signs for a formula.
fn field(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let guard = if line.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", line.replace('"', "\"\""))
}

/// The page of one student. What is hidden shows the rule and the mistake, not the lines.
pub fn page(title: &str, student: &str, rows: &[Row]) -> String {
    let (reached, of) =
        rows.iter().fold((0, 0), |(reached, of), row| (reached + row.marks, of + row.of));
    let (title, student) = (escape(title), escape(student));
    let marks = if of > 0 { format!("{reached} of {of} marks") } else { "not played".to_owned() };
    let mut page = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{title}: {student}</title>\n\
         <h1>{title}</h1>\n<p>{student}: {marks}</p>\n<table border=\"1\">\n"
    );
    for Row { part, title, marks, of, mistake, .. } in rows {
        let (title, mistake) = (escape(title), escape(mistake));
        page += &format!(
            "<tr><td>{part}<td>{title}<td>{marks}/{of}<td>{}\n",
            if marks == of { "" } else { &mistake }
        );
    }
    page += "</table>\n";
    for row in rows.iter().filter(|row| row.part == "public" && !row.shown.is_empty()) {
        page += &format!("<h2>{}</h2>\n<pre>{}</pre>\n", escape(&row.title), escape(&row.shown));
    }
    page
}

/// The text with what HTML would take for its own.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_students_write_is_neither_a_formula_nor_a_tag() {
        let row = |mistake: &str| Row {
            part: "public",
            title: "it <greets>".into(),
            marks: 0,
            of: 2,
            mistake: mistake.into(),
            shown: "<script>".into(),
        };
        let rows = [row("=cmd(\"x\")\n,")];
        let line = "\"b20\",\"public\",\"it <greets>\",\"0\",\"'=cmd(\"\"x\"\") ,\"\n";
        assert_eq!(csv("b20", &rows), line);
        let page = page("A & B", "b20", &rows);
        assert!(page.contains("<h1>A &amp; B</h1>\n<p>b20: 0 of 2 marks</p>"), "{page}");
        assert!(page.contains("<pre>&lt;script&gt;</pre>") && !page.contains("<script"), "{page}");
    }
}
