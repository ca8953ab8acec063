using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqlServerSurveyTests() : SurveySuite(SqlDialect.SqlServer);
