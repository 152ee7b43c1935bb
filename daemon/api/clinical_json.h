// Clinical values, flags, generation and sources: as a request's members, and as the JSON in which they are shown and
// sealed (names of product.md, "A message's fields").
#pragma once

#include <string>
#include <vector>

#include "daemon/api/body.h"
#include "message/clinical.h"

namespace signet::api {

struct Clinical {
  std::vector<ClinicalValue> values;
  std::vector<HallucinationFlag> flags;
  Generation generation;
  std::vector<SourceFile> sources;
};

// Members clinicalValues, hallucinationFlags, generation, sourceFiles; what is absent stays as it is. What a review
// decides (verified, dismissed) is refused here.
void read_clinical(Members& members, Clinical& clinical);
std::string clinical_json(const Clinical& clinical);  // one object of these four members
Clinical parse_clinical(const std::string& json);     // of clinical_json's; what does not fit is left out

}  // namespace signet::api
