//! Rules that mean harm, or that a device's evidence could make harmful: each ends within its bounds, or does not load.

use super::tests::{compile, denied};
use super::*;

/// Rules over an input, by what becomes of them.
fn outcome(rules: &str, input: &str) -> Vec<String> {
    let rules = compile(&format!("package hallmark\nimport rego.v1\n{rules}\n")).unwrap();
    rules.deny(input).iter().map(ToString::to_string).collect()
}

/// The one reason says that the evaluation failed, and why.
fn assert_failed(reasons: &[String], why: &str) {
    assert!(
        reasons.len() == 1 && reasons[0].contains("could not be evaluated") && reasons[0].contains(why),
        "{why}: {reasons:#?}"
    );
}

#[test]
fn v02_loops_in_loops_end_after_a_number_of_steps() {
    let numbers: Vec<_> = (0..2000).map(|n| n.to_string()).collect();
    let input = format!("{{\"l\":[{}]}}", numbers.join(","));
    for rules in [
        "deny contains \"x\" if { some a in input.l; some b in input.l; some c in input.l; a + b + c < 0 }",
        "deny contains \"x\" if { count([1 | some a in input.l; some b in input.l; some c in input.l; a + b + c < 0]) < 0 }",
        "deny contains \"x\" if { every a in input.l { every b in input.l { every c in input.l { a + b + c >= 0 } } } }",
        "f(n) := count({[n, a, b] | some a in input.l; some b in input.l; a + b < 0})\ndeny contains \"x\" if { some a in input.l; f(a) > 1 }",
        "deny contains \"x\" if { count({a: b | some a in input.l; some b in input.l; some c in input.l; a + b + c < 0}) > 1 }",
    ] {
        assert_failed(&outcome(rules, &input), "steps");
    }
    // The count starts anew with each evaluation.
    let rules = "deny contains \"x\" if { some a in input.l; some b in input.l; a + b == 30; a == 30 }";
    let short: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let short = format!("{{\"l\":[{}]}}", short.join(","));
    for _ in 0..4 {
        assert_eq!(outcome(rules, &short), ["[rego] rego: x"]);
    }
}

/// What a device sends, for example a word of its command line, is read as a number only where that costs nothing.
#[test]
fn v02_a_number_of_a_billion_digits_is_not_written_out() {
    let rules = "deny contains \"x\" if to_number(input.t) > 5";
    for (text, why) in [
        ("1e999999999", "to_number: expected digits, without an exponent"),
        ("-0.1E999999999", "to_number: expected digits, without an exponent"),
        (&*"9".repeat(65), "to_number: more than 64 bytes"),
        ("many", "to_number: expected the text of a number"),
    ] {
        assert_failed(&outcome(rules, &format!("{{\"t\":\"{text}\"}}")), why);
    }
    for (value, denied) in [("\"6\"", 1), ("\"5.5\"", 1), ("\"-6\"", 0), ("6", 1), ("true", 0), ("null", 0)] {
        assert_eq!(outcome(rules, &format!("{{\"t\":{value}}}")).len(), denied, "{value}");
    }
}

#[test]
fn v02_a_panic_of_the_engine_is_a_reason() {
    let product = vec!["44444444444444444444"; 40].join("*");
    let rules = format!("deny contains \"x\" if {{\n{product} & 4\n}}");
    let rules = compile(&format!("package hallmark\nimport rego.v1\n{rules}\n")).unwrap();
    for _ in 0..2 {
        let reasons: Vec<_> = rules.deny("{}").iter().map(ToString::to_string).collect();
        assert_failed(&reasons, "the engine gave up");
    }
}

#[test]
fn v02_texts_and_arrays_stop_growing() {
    let doubled = |line: &str| {
        let lines: String = (0..60)
            .map(|i| line.replace('@', &i.to_string()).replace('#', &(i + 1).to_string()) + "\n")
            .collect();
        format!("deny contains \"x\" if {{\nv0 := input.t\n{lines}v60 == 1\n}}")
    };
    for (line, why) in [
        ("v# := concat(\"\", [v@, v@])", "concat: more than 65536 bytes"),
        ("v# := sprintf(\"%s%s\", [v@, v@])", "sprintf: more than 65536 bytes"),
        ("v# := sprintf(\"%v\", [[v@, v@]])", "sprintf: more than 65536 bytes"),
    ] {
        assert_failed(&outcome(&doubled(line), "{\"t\":\"text\"}"), why);
    }
    let arrays = doubled("v# := array.concat(v@, v@)");
    assert_failed(&outcome(&arrays, "{\"t\":[1,2]}"), "array.concat: more than 65536 elements");
    // One long text, many times over.
    let input = format!("{{\"t\":\"{}\",\"l\":[{}1]}}", "a".repeat(60_000), "1,".repeat(5000));
    let joined = "deny contains \"x\" if concat(\"\", [input.t | some _ in input.l]) == \"\"";
    assert_failed(&outcome(joined, &input), "concat");
}

#[test]
fn v02_a_format_is_no_way_to_memory_or_to_a_crash() {
    for format in
        ["%4000000000d", "%99999999999999999999d", "%.4000000000f", "%½d", "%", "%q", "%c", "%s %s", "%%%"]
    {
        let rules = "deny contains sprintf(input.f, [1])";
        let reasons = outcome(rules, &format!("{{\"f\":{}}}", serde_json::to_string(format).unwrap()));
        assert_failed(&reasons, "sprintf");
    }
    for (call, text) in [
        ("sprintf(\"%d%% of %s, %v, %x\", [5, \"a\", [1, \"b\"], 255])", "5% of a, [1,\"b\"], ff"),
        ("sprintf(\"%%\", [])", "%"),
        ("sprintf(\"%%s\", [])", "%s"),
        ("sprintf(\"plain\", [])", "plain"),
        ("concat(\", \", [\"a\", \"b\"])", "a, b"),
        ("concat(\", \", {\"b\", \"a\"})", "a, b"),
        ("sprintf(\"%v\", [array.concat([1], [2])])", "[1,2]"),
    ] {
        assert_eq!(denied(&format!("deny contains {call}")), [format!("[rego] rego: {text}")], "{call}");
    }
}

#[test]
fn v02_a_value_made_of_itself_is_not_written_out() {
    let lines: String = (0..40).map(|i| format!("v{} := [v{i}, v{i}]\n", i + 1)).collect();
    let rules = format!("deny contains {{\"what\": \"x\", \"found\": v40}} if {{\nv0 := 1\n{lines}}}");
    assert_eq!(denied(&rules), ["[rego] rego: x; found a value that is too large to tell"]);
}

#[test]
fn v02_what_reaches_out_or_explodes_does_not_load() {
    for call in [
        "walk(input)",
        "regex.match(\"(a+)+$\", \"aaaa\")",
        "regex.replace(\"a\", \"(a*)*\", \"b\")",
        "glob.match(\"**\", [], \"a\")",
        "numbers.range(0, 1000000000)",
        "strings.repeat(\"a\", 1000000000)",
        "replace(\"a\", \"\", \"aaaa\")",
        "json.unmarshal(\"{}\")",
        "yaml.unmarshal(\"a: &a [*a]\")",
        "graph.reachable({}, {})",
        "bits.lsh(1, 100000000)",
        "opa.runtime()",
        "time.now_ns()",
        "http.send({})",
        "rego.metadata.rule()",
        "print(1)",
        "crypto.sha256(\"a\")",
        "base64.decode(\"a\")",
        "object.subset({}, {})",
    ] {
        let text = format!("package hallmark\nimport rego.v1\ndeny contains \"x\" if {{ x := {call} }}");
        assert!(compile(&text).is_err(), "{call}");
    }
    for rules in [
        "deny[x] { x := 1 }",
        "deny := {\"a\": 1}",
        "deny := [1]",
        "deny(x) := x",
        "deny(x) if x == 1",
        "deny[\"a\"] := 1",
        "deny.a.b contains 1",
        "deny := false\ndeny contains \"x\"",
        "default deny := {\"x\"}\ndeny contains \"y\"",
        "default deny := set()",
        "deny contains \"x\" if f with input.claims as {}\nf if input.claims",
        "deny contains \"x\" if count(a) > 1 with count as f\na := 1\nf(x) := x",
        "a contains x if b[x]\nb contains x if a[x]\ndeny contains \"x\" if a[1]",
        "a[x] := y if { y := a[x - 1] }\ndeny contains \"x\" if a[9]",
        "deny contains \"x\" if data.hallmark[\"deny\"]",
        "deny contains \"x\" if { some k; data.hallmark[k] }",
        "import data\ndeny contains \"x\" if data",
        "import data.hallmark as h\ndeny contains \"x\" if h.deny",
        "import input as data\ndeny contains \"x\" if data.a",
    ] {
        let text = format!("package hallmark\nimport rego.v1\n{rules}");
        assert!(compile(&text).is_err(), "{rules}");
    }
}

#[test]
fn v02_many_rules_are_no_way_around_the_count() {
    let one = "deny contains \"x\" if { some a in input.l; some b in input.l; a + b < 0 }\n";
    let input = format!("{{\"l\":[{}1]}}", "1,".repeat(300));
    let rules = one.repeat(800);
    assert_failed(&outcome(&rules, &input), "steps");
}
