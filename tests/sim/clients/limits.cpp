// Do the modelled states of devices (charging, idle, unmetered, battery) keep what they promise?

#include <gtest/gtest.h>

#include <cmath>

#include "sim/clients/limits.hpp"

namespace shoal {
namespace {

Limits limits(const std::string& toml) { return {Settings::parse(toml, "test.toml"), 1}; }

Who who(std::int64_t client, double utc_offset = 0) {
  return {.client = ClientId{client}, .utc_offset = ticks(3600 * utc_offset)};
}

Ticks at_hour(double hours) { return ticks(3600 * hours); }

// Share of clients for which `state` is on.
template <class State>
double share(const State& state, std::int64_t clients = 4000) {
  double on = 0;
  for (std::int64_t c = 0; c < clients; ++c) on += state(who(c)).on ? 1 : 0;
  return on / clients;
}

TEST(Limits, ChargeAtNightOnTheShareOfNights) {
  const Limits l = limits("charging_nights = 0.7\ncharging_spread = 0.1");
  // Plugged in at 22:30 with a standard deviation of sqrt(2) h, until 6:30 with one of 2 h: of the devices that charge
  // in a night, Phi(3.5 / 2) = 0.96 still do at 3 in the morning; none does at 3 in the afternoon.
  EXPECT_NEAR(share([&](const Who& w) { return l.charging(w, at_hour(24 * 9 + 3)); }), 0.7 * 0.9599, 0.034);
  EXPECT_LT(share([&](const Who& w) { return l.charging(w, at_hour(24 * 9 + 15)); }), 0.01);
  // Each client's own share of nights lies between 0.6 and 0.8; a night's window lasts half an hour at least.
  for (std::int64_t c = 0; c < 20; ++c) {
    double nights = 0;
    for (int day = 1; day <= 400; ++day) {
      bool plugged = false;
      for (double hours = 12; hours < 36; hours += 0.49) {
        plugged |= l.charging(who(c), at_hour(24 * day + hours)).on;
      }
      nights += plugged ? 1 : 0;
    }
    EXPECT_GT(nights / 400, 0.6 - 4.5 * std::sqrt(0.24 / 400));
    EXPECT_LT(nights / 400, 0.8 + 4.5 * std::sqrt(0.16 / 400));
  }
  // Local night, not that of UTC.
  EXPECT_LT(share([&](const Who& w) { return l.charging({w.client, ticks(12 * 3600)}, at_hour(24 * 9 + 3)); }), 0.01);
}

TEST(Limits, AgreeInBothForms) {
  const char* const all_limits =
      "power = \"charging_or_battery\"\nidle = true\nunmetered = true\nconnected = 0.9\ncheck_in_every = 12\n"
      "check_in_for = 8";
  for (const char* toml :
       {"", "power = \"charging\"", "power = \"charging_or_battery\"\nidle = true", "unmetered = true\nconnected = 0.4",
        "check_in_every = 24\ncheck_in_for = 9\nidle = true", all_limits}) {
    const Limits l = limits(toml);
    RandomStream random(random_key(2, "planner/selection"), 0);
    std::int64_t on = 0;
    for (int i = 0; i < 20'000; ++i) {
      const Who client = who(random.below(1'000'000), -8);
      const Ticks time = at_hour(24 * 40 * random.uniform());
      const bool slow = l.at(client, time).on;
      ASSERT_EQ(l.on(client, time), slow) << toml;
      on += slow ? 1 : 0;
    }
    EXPECT_GT(on, 100) << toml;
  }
}

TEST(Limits, AreIdleForTheirShare) {
  const Limits l = limits("idle_share = 0.25");
  EXPECT_NEAR(share([&](const Who& w) { return l.idle(w, at_hour(24 * 3 + 15)); }), 0.25, 0.03);
  EXPECT_GT(share([&](const Who& w) { return l.idle(w, at_hour(24 * 3 + 3)); }), 0.95);
}

TEST(Limits, FollowTheHomeNetwork) {
  const Limits l = limits("connected = 0.8\nhotspot_share = 0.25");
  EXPECT_NEAR(share([&](const Who& w) { return l.unmetered(w, at_hour(24 * 3 + 13)); }), 0.8 * 0.25, 0.03);
  EXPECT_NEAR(share([&](const Who& w) { return l.unmetered(w, at_hour(24 * 3 + 2)); }), 0.8, 0.03);
}

TEST(Limits, DrainAndChargeTheBattery) {
  const Limits l = limits("battery_drain = 0.05\nbattery_charge = 0.4\ncharging_nights = 1\ncharging_spread = 0");
  for (std::int64_t c = 0; c < 50; ++c) {
    const Who w = who(c);
    double before = l.battery(w, at_hour(48)), rate = 0;
    for (int minute = 1; minute < 4 * 24 * 60; ++minute) {
      const Ticks time = at_hour(48 + minute / 60.0);
      const double now = l.battery(w, time);
      ASSERT_GE(now, 0.05);
      ASSERT_LE(now, 1);
      const bool plugged = l.charging(w, time).on && l.charging(w, time - ticks(60)).on;
      const bool off = !l.charging(w, time).on && !l.charging(w, time - ticks(60)).on;
      if (plugged) {
        ASSERT_GE(now, before);
      }
      if (off && now > 0.05 + 1e-9) {
        ASSERT_LT(now, before);
        if (rate == 0) rate = before - now;
        ASSERT_NEAR(before - now, rate, 1e-9);  // linear
      }
      if (!plugged && !off && !l.charging(w, time).on) {
        ASSERT_GT(now, 0.99);  // just taken off the charger
      }
      before = now;
    }
    // The client's drain per hour is log-normal with median 0.05, sigma 0.3.
    EXPECT_GT(rate * 60, 0.05 * std::exp(-0.3 * 4));
    EXPECT_LT(rate * 60, 0.05 * std::exp(0.3 * 4));
  }
}

TEST(Limits, PredictWhenTheBatteryCrosses) {
  const Limits l = limits("charging_nights = 0.6\ncharging_spread = 0.3");
  for (std::int64_t c = 0; c < 60; ++c) {
    for (Ticks time = at_hour(30); time < at_hour(150);) {
      const Stretch stretch = l.battery_at_least(0.7, who(c), time);
      ASSERT_EQ(stretch.on, l.battery(who(c), time) >= 0.7);
      const Ticks last = stretch.until - ticks(1);
      if (last > time) {
        ASSERT_EQ(l.battery(who(c), last) >= 0.7, stretch.on) << c << " at " << value(last);
      }
      time = stretch.until;
    }
  }
}

TEST(Limits, CombineAsAConjunction) {
  const Limits all =
      limits("power = \"charging\"\nidle = true\nunmetered = true\ncheck_in_every = 6\ncheck_in_for = 3");
  const Limits checks = limits("check_in_every = 6\ncheck_in_for = 3");
  std::int64_t on = 0;
  for (std::int64_t c = 0; c < 300; ++c) {
    for (double hours = 0; hours < 100; hours += 0.7) {
      const Ticks time = at_hour(hours);
      const bool expected = all.charging(who(c), time).on && all.idle(who(c), time).on &&
                            all.unmetered(who(c), time).on && checks.at(who(c), time).on;
      ASSERT_EQ(all.at(who(c), time).on, expected);
      on += expected ? 1 : 0;
    }
  }
  EXPECT_GT(on, 500);
  const Limits charged = limits("power = \"charging_or_battery\"\nbattery = 0.9");
  for (std::int64_t c = 0; c < 300; ++c) {
    for (double hours = 0; hours < 100; hours += 0.7) {
      const Ticks time = at_hour(hours);
      ASSERT_EQ(charged.at(who(c), time).on, charged.charging(who(c), time).on || charged.battery(who(c), time) >= 0.9);
    }
  }
}

TEST(Limits, LeaveARestBetweenCheckIns) {
  const Limits l = limits("check_in_every = 6\ncheck_in_for = 0.5");
  for (std::int64_t c = 0; c < 50; ++c) {
    Ticks last{-1};
    for (Ticks time{}; time < at_hour(100);) {
      const Stretch stretch = l.at(who(c), time);
      if (stretch.on) {
        if (last >= Ticks{}) {
          EXPECT_EQ(value(time - last), value(at_hour(5.5)));
        }
        last = stretch.until;
      }
      time = stretch.until;
    }
  }
}

}  // namespace
}  // namespace shoal
