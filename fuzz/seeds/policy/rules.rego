package hallmark

import rego.v1

deny contains "release 1.0 is only for the laboratory" if {
	startswith(input.claims.release, "gateway 1.0")
	not laboratory
}

laboratory if startswith(input.claims.device_id, "lab-")

deny contains {"id": "pcr", "what": sprintf("PCR %d", [claim.pcr]), "where": "quote"} if {
	some claim in input.claims.pcrs
	claim.standing == "explained"
	count({other | some other in input.reasons; other.id == "e01"}) == 0
}
