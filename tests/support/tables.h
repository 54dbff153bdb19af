// Rows of a static table as parameters of a suite: a new row is tested without a new test.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <span>
#include <string>
#include <vector>

namespace hellora::testing {

template <class Row>
struct TableRow {
  const Row* row;
  const Row* operator->() const { return row; }
  const Row& operator*() const { return *row; }
  std::string name() const {
    if constexpr (requires { row->model_type; }) {
      return std::string(row->model_type);
    } else {
      return std::string(row->name);
    }
  }
  friend void PrintTo(const TableRow& one, std::ostream* out) { *out << one.name(); }
};

template <class Row>
std::vector<TableRow<Row>> table_rows(std::span<const Row> table) {
  std::vector<TableRow<Row>> rows;
  for (const Row& row : table) rows.push_back({&row});
  return rows;
}

/// The row's name as gtest wants it: letters, digits and underscores.
template <class Row>
std::string row_name(const ::testing::TestParamInfo<TableRow<Row>>& info) {
  std::string name = info.param.name();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

}  // namespace hellora::testing
