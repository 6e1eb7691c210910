package lallmark

import rego.v1

deny contains "re" if {
	startsth(input.claims[[[[[[[[[[[[[[[[[[[[...s........story/e