using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteSurveyTests() : SurveySuite(SqlDialect.Sqlite);
