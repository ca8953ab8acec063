using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlSurveyTests() : SurveySuite(SqlDialect.PostgreSql);
