// What a progress line holds, how it fits a terminal, and which lines appear off one.
#include "hellora/recipe/progress.h"

#include "hellora/recipe/pace.h"
#include "hellora/recipe/time_forecast.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

TEST(TerminalLine, HasABarWhereThereIsRoomAndNeverMoreColumns) {
  const std::string rest = "loss 3.6231  ETA 4s";
  EXPECT_EQ(terminal_line("evaluate", 3, 12, rest, 200), "evaluate 3/12 [======>                 ]  " + rest);
  EXPECT_EQ(terminal_line("evaluate", 12, 12, rest, 200), "evaluate 12/12 [========================]  " + rest);
  EXPECT_EQ(terminal_line("evaluate", 3, 12, rest, 44), "evaluate 3/12  " + rest);
  EXPECT_EQ(terminal_line("evaluate", 3, 12, rest, 20), "evaluate 3/12  loss ");
  for (int columns = 0; columns < 120; ++columns) {
    for (const int64_t done : {0, 1, 11, 12, 13})
      EXPECT_LE(terminal_line("train", done, 12, rest, columns).size(), static_cast<size_t>(columns));
  }
  EXPECT_CONTAINS(terminal_line("load", 0, 0, "", 60), "load 0/0 [>");  // nothing to do is no division by zero
}

TEST(PlainLine, FirstLastAndAboutTwenty) {
  for (const int64_t total : {1, 2, 19, 40, 150, 4001}) {
    int64_t lines = 0;
    for (int64_t done = 1; done <= total; ++done) lines += plain_line_due(done, total) ? 1 : 0;
    EXPECT_TRUE(plain_line_due(1, total) && plain_line_due(total, total)) << total;
    EXPECT_LE(lines, 22) << total;
    EXPECT_GE(lines, std::min<int64_t>(total, 10)) << total;
  }
  EXPECT_FALSE(plain_line_due(2, 150));
}

TEST(ProgressText, RatesAndDurations) {
  EXPECT_EQ(rate_text(2e-3), "2.0e-3");
  EXPECT_EQ(rate_text(1.9345e-3), "1.9e-3");
  EXPECT_EQ(rate_text(0), "0.0e+0");
  EXPECT_EQ(rate_text(1e-12), "1.0e-12");
  EXPECT_EQ(duration_text(59.4), "59s");
  EXPECT_EQ(duration_text(125), "2m5s");
  EXPECT_EQ(duration_text(7300), "2h1m");
}

TEST(Pace, WarnsOnceWhenEqualStepsVaryByTwo) {
  Pace pace;
  EXPECT_EQ(pace.note(2000, 9), "");  // the first step reads the weights
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pace.note(2000 + i, 1 + 0.09 * i), "");
  EXPECT_EQ(pace.note(400, 0.1), "");  // a small step is no fast one
  EXPECT_EQ(pace.note(2000, 2), "");
  EXPECT_EQ(pace.note(2000, 5), "");  // one or two can be anything
  const std::string said = pace.note(2000, 2.5);
  EXPECT_CONTAINS(said, "take from 1.00 s to 5.00 s");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pace.note(2000, 9), "");
}

TEST(TimeForecast, ScalesTheMeasuredPass) {
  RunWork work;
  work.steps = 300;
  work.step_tokens = 2048;
  const TimeForecast plain = forecast_time(1e-3, work);
  EXPECT_LT(plain.low, plain.high);
  EXPECT_GT(plain.low, 300 * 2048 * 1e-3);  // a step is more than a forward pass
  work.recompute = true;
  EXPECT_DOUBLE_EQ(forecast_time(1e-3, work).low, plain.low + 300 * 2048 * 1e-3);
  work.forward_tokens = 1000000;
  EXPECT_GT(forecast_time(1e-3, work).low, plain.low + 300 * 2048 * 1e-3 + 500);
  EXPECT_EQ(time_text({720, 1200}, work), "about 12 min to 20 min for 300 steps of 2,048 tokens");
  EXPECT_EQ(about(41.2), "41 s");
  EXPECT_EQ(about(3.5 * 3600), "3.5 h");
}

}  // namespace
}  // namespace hellora::testing
