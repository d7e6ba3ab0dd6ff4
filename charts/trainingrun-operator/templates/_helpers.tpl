{{- define "trainingrun-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- /* Of what is not in a namespace: releases of the same name in two namespaces must not share it. */ -}}
{{- define "trainingrun-operator.clusterName" -}}
{{ .Release.Namespace }}-{{ include "trainingrun-operator.fullname" . }}
{{- end }}

{{- define "trainingrun-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "trainingrun-operator.labels" -}}
{{ include "trainingrun-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Labels or annotations, whose values must be strings: `--set podAnnotations.commit=659881` gives a number. */ -}}
{{- define "trainingrun-operator.strings" -}}
{{- range $name, $value := . }}
{{ $name | quote }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "trainingrun-operator.gatewaySecret" -}}
{{- .Values.gateway.existingSecret | default (printf "%s-gateway" (include "trainingrun-operator.fullname" .)) -}}
{{- end }}

{{- define "trainingrun-operator.gatewayHost" -}}
{{ include "trainingrun-operator.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end }}

{{- /* What the operator may do with the objects of the namespaces that it watches: docs/operator.md. */ -}}
{{- define "trainingrun-operator.rules" -}}
- apiGroups: [training.badgerdoc.dev]
  resources: [trainingruns]
  verbs: [get, list, watch]
- apiGroups: [training.badgerdoc.dev]
  resources: [trainingruns/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [services]
  verbs: [create]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
