using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlSurveyTests() : SurveySuite(SqlDialect.MySql);
