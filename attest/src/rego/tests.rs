//! Rules that refuse, that hold, and that must never be taken for holding.

use super::*;

const INPUT: &str = r#"{"claims":{"release":"gw 1","n":3,"list":[1,2,3]},"reasons":[],"notes":[]}"#;

pub(super) fn compile(text: &str) -> Result<CompiledRules, Vec<String>> {
    compile_files(&[text])
}

fn compile_files(texts: &[&str]) -> Result<CompiledRules, Vec<String>> {
    let names: Vec<_> = (0..texts.len()).map(|i| format!("{i}.rego")).collect();
    let files: Vec<_> = names.iter().zip(texts).map(|(name, text)| RegoFile { name, text }).collect();
    CompiledRules::compile(&files).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

pub(super) fn denied(rules: &str) -> Vec<String> {
    let text = format!("package hallmark\nimport rego.v1\n{rules}\n");
    let rules = compile(&text).unwrap_or_else(|faults| panic!("{text}: {faults:#?}"));
    rules.deny(INPUT).iter().map(ToString::to_string).collect()
}

#[test]
fn a_rule_that_does_not_hold_gives_no_reason() {
    for rules in [
        "deny contains \"old\" if input.claims.n > 5",
        "deny contains \"none\" if input.claims.nothing.at.all",
        "deny contains r if { some r in input.reasons }",
    ] {
        assert_eq!(denied(rules), [""; 0], "{rules}");
    }
}

#[test]
fn a_rule_that_holds_gives_its_reason() {
    assert_eq!(denied("deny contains \"old\" if input.claims.n < 5"), ["[rego] rego: old"]);
    let object = r#"deny contains {"id": "disk", "what": "wrong disk", "where": "PCR 5", "expected": "a", "found": input.claims.n}"#;
    assert_eq!(denied(object), ["[rego] PCR 5: disk: wrong disk; expected a; found 3"]);
    let functions = "deny contains sprintf(\"%s\", [f(input.claims.release)]) if g(1)\nf(x) := upper(x)\ng(x) if data.hallmark.f(\"a\") == \"A\"";
    assert_eq!(denied(functions), ["[rego] rego: GW 1"]);
    let files = [
        "package hallmark\ndeny contains \"a\"",
        "package hallmark\ndeny contains \"b\" if input.claims.n == 3",
    ];
    assert_eq!(compile_files(&files).unwrap().deny(INPUT).len(), 2);
}

#[test]
fn q18_v02_an_error_while_rules_are_evaluated_is_a_reason() {
    for (rules, told) in [
        ("deny contains \"x\" if 1 / (input.claims.n - 3) > 5", "divide by zero"),
        ("deny contains \"x\" if count(input.claims.n) > 5", "requires array/object/set/string"),
        ("deny contains \"x\" if input.claims.n + \"a\" == 4", ""),
        ("deny contains \"x\" if { f(input.claims.n) == 1 }\nf(x) := 1 if x > 2\nf(x) := 2 if x > 1", ""),
    ] {
        let reasons = denied(rules);
        assert!(reasons.len() == 1 && reasons[0].contains("could not be evaluated"), "{rules}: {reasons:#?}");
        assert!(reasons[0].contains(told), "{reasons:#?}");
    }
    // A document that is none, or too large.
    let rules = compile("package hallmark\ndeny contains \"x\" if input.a").unwrap();
    assert_eq!(rules.deny("{").len(), 1);
    let large = format!("{{\"b\":\"{}\"}}", "a".repeat(MAX_INPUT));
    assert!(rules.deny(&large)[0].what.contains("expected at most"));
}

#[test]
fn q18_what_a_rule_says_is_a_reason_in_any_shape() {
    for rules in [
        "deny contains 7",
        "deny contains null",
        "deny contains [1]",
        "deny contains {}",
        "deny contains \"\"",
        "deny contains false",
    ] {
        assert_eq!(denied(rules).len(), 1, "{rules}");
    }
    let many = denied(
        "deny contains x if { some a in input.claims.list; some b in input.claims.list; some c in input.claims.list; some d in input.claims.list; x := [a, b, c, d] }",
    );
    assert_eq!(many.len(), MAX_REASONS + 1);
    assert!(many[MAX_REASONS].contains("49 more"), "{}", many[MAX_REASONS]);
    let long = denied("deny contains concat(\"\\n\", [\"\\u001b[2J\", \"b\"])");
    assert!(!long[0].contains(['\n', '\u{1b}']), "{long:?}");
}

#[test]
fn v08_rules_that_judge_nothing_do_not_compile() {
    for (text, told) in [
        ("package hallmark\nallow := true", "no `deny` rule"),
        ("package hallmark", "no `deny` rule"),
        ("package other\ndeny contains \"x\"", "expected `package hallmark`"),
        ("package hallmark\ndeny if input.claims.n == 3", "`deny` is no set"),
        ("package hallmark\ndeny := \"text\"", "`deny` is no set"),
        ("package hallmark\ndeny.boot contains \"x\"", "`deny` is no set"),
        ("package hallmark\ndefault deny := false\ndeny contains \"x\"", ""),
        ("package hallmark\ndeny contains x if { x := ", ""),
        ("", ""),
    ] {
        let faults = compile(text).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains(told)), "{text}: {faults:#?}");
    }
}

#[test]
fn rules_depend_on_nothing_but_their_input() {
    for call in [
        "time.now_ns()",
        "rand.intn(\"a\", 5)",
        "http.send({})",
        "opa.runtime()",
        "uuid.rfc4122(\"a\")",
        "numbers.range(1, 9)",
        "net.lookup_ip_addr(\"a\")",
        "trace(\"a\")",
        "io.jwt.decode(\"a\")",
    ] {
        let faults =
            compile(&format!("package hallmark\n\ndeny contains x if {{ x := {call} }}")).unwrap_err();
        assert!(faults[0].starts_with("0.rego, line 3: ") && faults[0].contains("allowed"), "{faults:#?}");
    }
    for (rules, told) in [
        ("deny contains x if { x := data.secrets }", "`data` is empty"),
        ("deny contains x if { some k; x := data[k] }", "`data` is empty"),
        ("import data.other\ndeny contains \"x\"", "import data.other"),
        ("deny contains \"x\" if f with input as {}\nf if input.a", "`with`"),
    ] {
        let faults = compile(&format!("package hallmark\n{rules}")).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains(told)), "{rules}: {faults:#?}");
    }
}

#[test]
fn v03_rules_that_might_not_end_do_not_compile() {
    for rules in [
        "deny contains x if { x := f(1) }\nf(a) := f(a)",
        "deny contains x if { x := f(1) }\nf(a) := g(a)\ng(a) := f(a)",
        "deny contains x if { x := f(1) }\nf(a) := data.hallmark.g(a)\ng(a) := data.hallmark.f(a)",
        "deny contains x if { deny[x] }",
        "deny contains x if { some x in data.hallmark.deny }",
    ] {
        let faults = compile(&format!("package hallmark\n{rules}")).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains("depends on itself")), "{rules}: {faults:#?}");
    }
    let chain = |depth: usize| {
        let links: String = (0..depth - 1).map(|i| format!("f{i}(a) := f{}(a)\n", i + 1)).collect();
        format!("package hallmark\ndeny contains f0(1)\n{links}f{}(a) := a\n", depth - 1)
    };
    assert!(compile(&chain(MAX_CALL_DEPTH)).unwrap_err()[0].contains("rules deep"));
    // The longest chain that is allowed, with expressions as deep as the parser takes, has room on a small stack.
    let nested = format!("{}a{}", "[".repeat(10), "]".repeat(10));
    let deep = chain(MAX_CALL_DEPTH - 1).replace(":= a\n", &format!(":= {nested}\n"));
    let rules = compile(&deep).unwrap();
    assert_eq!(rules.deny(INPUT).len(), 1);
}

#[test]
fn sizes_are_bounded() {
    let long = format!("package hallmark\ndeny contains \"x\"\n# {}", "a\n# ".repeat(MAX_FILE / 3));
    assert!(compile(&long).unwrap_err()[0].contains("expected at most"));
    assert!(
        compile(&format!("package hallmark\ndeny contains {}1{}", "(".repeat(5000), ")".repeat(5000)))
            .is_err()
    );
    assert!(compile(&format!("package hallmark\ndeny contains {}", "-".repeat(5000))).is_err());
}
