#include "hellora/text/unicode_newer.h"

#include <array>

namespace hellora {
namespace {

// Derived by asking the reference library for every code point (tests/golden/fixtures/text/classes.jsonl) and leaving out what PCRE2 10.42
// knows.
constexpr auto kLetters = std::to_array<CodeRange>(
    {{0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65}, {0x10D6F, 0x10D85},
     {0x10EC2, 0x10EC4}, {0x1123F, 0x11240}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5},
     {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0}, {0x11F02, 0x11F02}, {0x11F04, 0x11F10},
     {0x11F12, 0x11F33}, {0x1342F, 0x1342F}, {0x13441, 0x13446}, {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C},
     {0x18CFF, 0x18CFF}, {0x1B132, 0x1B132}, {0x1B155, 0x1B155}, {0x1DF25, 0x1DF2A}, {0x1E030, 0x1E06D}, {0x1E4D0, 0x1E4EB},
     {0x1E5D0, 0x1E5ED}, {0x1E5F0, 0x1E5F0}, {0x2B739, 0x2B739}, {0x2EBF0, 0x2EE5D}, {0x31350, 0x323AF}});
constexpr auto kUpper =
    std::to_array<CodeRange>({{0x1C89, 0x1C89}, {0xA7CB, 0xA7CC}, {0xA7DA, 0xA7DA}, {0xA7DC, 0xA7DC}, {0x10D50, 0x10D65}});
constexpr auto kLower =
    std::to_array<CodeRange>({{0x1C8A, 0x1C8A}, {0xA7CD, 0xA7CD}, {0xA7DB, 0xA7DB}, {0x10D70, 0x10D85}, {0x1DF25, 0x1DF2A}});
constexpr auto kModifier = std::to_array<CodeRange>(
    {{0x10D4E, 0x10D4E}, {0x10D6F, 0x10D6F}, {0x16D40, 0x16D42}, {0x16D6B, 0x16D6C}, {0x1E030, 0x1E06D}, {0x1E4EB, 0x1E4EB}});
constexpr auto kOther = std::to_array<CodeRange>(
    {{0x105C0, 0x105F3}, {0x10D4A, 0x10D4D}, {0x10D4F, 0x10D4F}, {0x10EC2, 0x10EC4}, {0x1123F, 0x11240}, {0x11380, 0x11389},
     {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3},
     {0x11BC0, 0x11BE0}, {0x11F02, 0x11F02}, {0x11F04, 0x11F10}, {0x11F12, 0x11F33}, {0x1342F, 0x1342F}, {0x13441, 0x13446},
     {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D43, 0x16D6A}, {0x18CFF, 0x18CFF}, {0x1B132, 0x1B132}, {0x1B155, 0x1B155},
     {0x1E4D0, 0x1E4EA}, {0x1E5D0, 0x1E5ED}, {0x1E5F0, 0x1E5F0}, {0x2B739, 0x2B739}, {0x2EBF0, 0x2EE5D}, {0x31350, 0x323AF}});
constexpr auto kMarks = std::to_array<CodeRange>(
    {{0x897, 0x897},     {0xCF3, 0xCF3},     {0xECE, 0xECE},     {0x10D69, 0x10D6D}, {0x10EFC, 0x10EFF}, {0x11241, 0x11241},
     {0x113B8, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D0}, {0x113D2, 0x113D2},
     {0x113E1, 0x113E2}, {0x11F00, 0x11F01}, {0x11F03, 0x11F03}, {0x11F34, 0x11F3A}, {0x11F3E, 0x11F42}, {0x11F5A, 0x11F5A},
     {0x13440, 0x13440}, {0x13447, 0x13455}, {0x1611E, 0x1612F}, {0x1E08F, 0x1E08F}, {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}});
constexpr auto kNumbers = std::to_array<CodeRange>({{0x10D40, 0x10D49},
                                                    {0x116D0, 0x116E3},
                                                    {0x11BF0, 0x11BF9},
                                                    {0x11F50, 0x11F59},
                                                    {0x16130, 0x16139},
                                                    {0x16D70, 0x16D79},
                                                    {0x1CCF0, 0x1CCF9},
                                                    {0x1D2C0, 0x1D2D3},
                                                    {0x1E4F0, 0x1E4F9},
                                                    {0x1E5F1, 0x1E5FA}});
constexpr auto kDigits = std::to_array<CodeRange>({{0x10D40, 0x10D49},
                                                   {0x116D0, 0x116E3},
                                                   {0x11BF0, 0x11BF9},
                                                   {0x11F50, 0x11F59},
                                                   {0x16130, 0x16139},
                                                   {0x16D70, 0x16D79},
                                                   {0x1CCF0, 0x1CCF9},
                                                   {0x1E4F0, 0x1E4F9},
                                                   {0x1E5F1, 0x1E5FA}});
constexpr auto kOtherNumbers = std::to_array<CodeRange>({{0x1D2C0, 0x1D2D3}});
constexpr auto kPunctuation = std::to_array<CodeRange>({{0x1B4E, 0x1B4F},
                                                        {0x1B7F, 0x1B7F},
                                                        {0x10D6E, 0x10D6E},
                                                        {0x113D4, 0x113D5},
                                                        {0x113D7, 0x113D8},
                                                        {0x11B00, 0x11B09},
                                                        {0x11BE1, 0x11BE1},
                                                        {0x11F43, 0x11F4F},
                                                        {0x16D6D, 0x16D6F},
                                                        {0x1E5FF, 0x1E5FF}});
constexpr auto kSymbols =
    std::to_array<CodeRange>({{0x2427, 0x2429},   {0x2FFC, 0x2FFF},   {0x31E4, 0x31E5},   {0x31EF, 0x31EF},   {0x10D8E, 0x10D8F},
                              {0x1CC00, 0x1CCEF}, {0x1CD00, 0x1CEB3}, {0x1F6DC, 0x1F6DC}, {0x1F774, 0x1F776}, {0x1F77B, 0x1F77F},
                              {0x1F7D9, 0x1F7D9}, {0x1F8B2, 0x1F8BB}, {0x1F8C0, 0x1F8C1}, {0x1FA75, 0x1FA77}, {0x1FA87, 0x1FA89},
                              {0x1FA8F, 0x1FA8F}, {0x1FAAD, 0x1FAAF}, {0x1FABB, 0x1FABF}, {0x1FAC6, 0x1FAC6}, {0x1FACE, 0x1FACF},
                              {0x1FADA, 0x1FADC}, {0x1FADF, 0x1FADF}, {0x1FAE8, 0x1FAE9}, {0x1FAF7, 0x1FAF8}, {0x1FBCB, 0x1FBEF}});
constexpr auto kHan = std::to_array<CodeRange>({{0x2B739, 0x2B739}, {0x2EBF0, 0x2EE5D}, {0x31350, 0x323AF}});
constexpr auto kNumeric = std::to_array<CodeRange>({{0x10D40, 0x10D49},
                                                    {0x116D0, 0x116E3},
                                                    {0x11BF0, 0x11BF9},
                                                    {0x11DE0, 0x11DE9},
                                                    {0x11F50, 0x11F59},
                                                    {0x16130, 0x16139},
                                                    {0x16D70, 0x16D79},
                                                    {0x16FF4, 0x16FF6},
                                                    {0x1CCF0, 0x1CCF9},
                                                    {0x1D2C0, 0x1D2D3},
                                                    {0x1E4F0, 0x1E4F9},
                                                    {0x1E5F1, 0x1E5FA}});
constexpr auto kLatin = std::to_array<CodeRange>({{0xA7CB, 0xA7CD}, {0xA7DA, 0xA7DC}, {0x1DF25, 0x1DF2A}});
constexpr auto kCyrillic = std::to_array<CodeRange>({{0x1C89, 0x1C8A}, {0x1E030, 0x1E06D}, {0x1E08F, 0x1E08F}});
constexpr auto kArabic = std::to_array<CodeRange>({{0x897, 0x897}, {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFF}});

struct Row {
  std::string_view property;
  std::span<const CodeRange> ranges;
};
constexpr auto kRows = std::to_array<Row>({{"L", kLetters},
                                           {"Lu", kUpper},
                                           {"Ll", kLower},
                                           {"Lm", kModifier},
                                           {"Lo", kOther},
                                           {"M", kMarks},
                                           {"N", kNumbers},
                                           {"Nd", kDigits},
                                           {"No", kOtherNumbers},
                                           {"P", kPunctuation},
                                           {"S", kSymbols},
                                           {"Han", kHan},
                                           {"Numeric", kNumeric},
                                           {"Latin", kLatin},
                                           {"Cyrillic", kCyrillic},
                                           {"Arabic", kArabic}});

}  // namespace

std::span<const CodeRange> newer_characters(std::string_view property) {
  for (const Row& row : kRows) {
    if (row.property == property) return row.ranges;
  }
  return {};
}

}  // namespace hellora
