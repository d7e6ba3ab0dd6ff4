{{- define "trainingrun-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- /* Of what is not in a namespace: releases of the same name in two namespaces must not share it. */ -}}
{{- define "trainingrun-operator.clusterName" -}}
{{ .Release.Namespace }}-{{ include "trainingrun-operator.fullname" . }}
{{- end }}

{{- define "trainingrun-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "trainingrun-operator.labels" -}}
{{ include "trainingrun-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /*
A value's text. Helm makes numbers and truths of what looks like them: `--set image.tag=20261127`, `podAnnotations.scrape=true`.
One from a values file is a float64, whose text would be 2.0261127e+07, and which keeps 15 digits.
*/ -}}
{{- define "trainingrun-operator.text" -}}
{{- if kindIs "float64" . }}
{{- if gt . 999999999999999.0 }}{{ fail (printf "the value %.0f has lost digits: write it in quotes." .) }}{{ end }}
{{- if eq . (floor .) }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}
{{- else if not (kindIs "invalid" .) }}{{ . }}{{ end -}}
{{- end }}

{{- /*
Maps and lists with every value as text, as JSON: labels, annotations, and what the scheduler reads, where Kubernetes wants
strings but for these two.
*/ -}}
{{- define "trainingrun-operator.texts" -}}
{{- if kindIs "map" . -}}
{ {{- range $index, $name := keys . | sortAlpha }}
{{- $value := index $ $name }}
{{- if $index }}, {{ end }}{{ toJson $name }}: {{ if has $name (list "weight" "tolerationSeconds") }}{{ toJson $value }}{{ else }}{{ include "trainingrun-operator.texts" $value }}{{ end }}
{{- end }}}
{{- else if kindIs "slice" . -}}
[ {{- range $index, $value := . }}{{ if $index }}, {{ end }}{{ include "trainingrun-operator.texts" $value }}{{ end }}]
{{- else -}}
{{ include "trainingrun-operator.text" . | toJson }}
{{- end -}}
{{- end }}

{{- /* The labels of the pod: podLabels may change any but those by which the Deployment and the Service find it. */ -}}
{{- define "trainingrun-operator.podLabels" -}}
{{- range $name := include "trainingrun-operator.selector" . | fromYaml | keys }}
{{- if hasKey $.Values.podLabels $name }}
{{- fail (printf "podLabels sets %s, by which the Deployment finds its pod: leave it out." $name) }}
{{- end }}
{{- end }}
{{- include "trainingrun-operator.labels" . | fromYaml | merge (deepCopy .Values.podLabels) | include "trainingrun-operator.texts" }}
{{- end }}

{{- define "trainingrun-operator.watchNamespace" -}}
{{- include "trainingrun-operator.text" .Values.watchNamespace }}
{{- end }}

{{- define "trainingrun-operator.image" -}}
{{- $repository := required "image.repository is not set: name the operator's image that you built, as in --set image.repository=<registry>/operator (docs/images.md)." .Values.image.repository }}
{{- include "trainingrun-operator.text" $repository }}
{{- with .Values.image.digest }}@{{ . }}
{{- else }}:{{ include "trainingrun-operator.text" .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "trainingrun-operator.workerImage" -}}
{{- required "worker.image is not set: name the worker's image that you built, as in --set worker.image=<registry>/worker:<tag> (docs/images.md)." .Values.worker.image | include "trainingrun-operator.text" }}
{{- end }}

{{- define "trainingrun-operator.gatewaySecret" -}}
{{- include "trainingrun-operator.text" .Values.gateway.existingSecret | default (printf "%s-gateway" (include "trainingrun-operator.fullname" .)) -}}
{{- end }}

{{- define "trainingrun-operator.gatewayHost" -}}
{{ include "trainingrun-operator.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end }}

{{- /* What the operator may do with the objects of the namespaces that it watches: docs/operator.md. */ -}}
{{- define "trainingrun-operator.rules" -}}
- apiGroups: [training.badgerdoc.dev]
  resources: [trainingruns]
  verbs: [get, list, watch, delete]
- apiGroups: [training.badgerdoc.dev]
  resources: [trainingruns/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [services]
  verbs: [create]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- if .Values.kueue.enabled }}
- apiGroups: [kueue.x-k8s.io]
  resources: [workloads]
  verbs: [get, list, watch, patch]
{{- end }}
{{- end }}
