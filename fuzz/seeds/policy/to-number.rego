package hallmark

import rego.v1

deny contains "x" if to_number(input.claims.device_id) > 1e999999
deny contains "y" if to_number("1e88888888") == 1
